"""The commands of the documentation: blocks of `sh` in Markdown, cut into commands as bash would take them."""

from __future__ import annotations

import re
import subprocess
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
_FENCE: Final = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=indent)```", re.DOTALL | re.MULTILINE
)
_SHELL: Final = ("sh", "bash", "shell", "console")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text without indentation, and the line of the page where the text begins."""

    language: str
    text: str
    line: int


@dataclass(frozen=True)
class Command:
    """One command of a page, with all its lines; `line` is that of its first one."""

    page: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.text}"


def pages() -> list[str]:
    """Return the pages whose commands are run, relative to the repository: the README, the examples, docs/."""
    found = [*sorted(ROOT.glob("examples/*/README.md")), *sorted(ROOT.glob("docs/*.md"))]
    return ["README.md", *(file.relative_to(ROOT).as_posix() for file in found)]


def blocks(markdown: str) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    return [
        Block(
            language=match["language"],
            text=textwrap.dedent(match["text"]),
            line=markdown.count("\n", 0, match.start("text")) + 1,
        )
        for match in _FENCE.finditer(markdown)
    ]


def commands(page: str) -> list[Command]:
    """Return the commands of a page, in order.

    Raises:
        SyntaxError: a block ends within a command.
    """
    return list(_commands(page, (ROOT / page).read_text()))


def _commands(page: str, markdown: str) -> Iterator[Command]:
    for block in blocks(markdown):
        if block.language in _SHELL:
            for offset, text in cut(block.text):
                yield Command(page, block.line + offset, text)


def cut(text: str) -> Iterator[tuple[int, str]]:
    """Yield each command of a block with the number of lines before it; comments and empty lines are none.

    Raises:
        SyntaxError: the last command is not complete.
    """
    taken: list[str] = []
    for number, line in enumerate(text.splitlines()):
        if not taken and (not line.strip() or line.lstrip().startswith("#")):
            continue
        taken.append(line)
        command = "\n".join(taken)
        if is_complete(command):
            yield number + 1 - len(taken), command
            taken = []
    if taken:
        raise SyntaxError("not a complete command: " + "\n".join(taken))


def is_complete(command: str) -> bool:
    """Whether bash would run these lines without asking for more."""
    if command.endswith("\\"):
        return False
    checked = subprocess.run(["bash", "-n"], input=f"{command}\n", capture_output=True, text=True, check=False)
    return checked.returncode == 0

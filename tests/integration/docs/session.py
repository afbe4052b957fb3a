"""Runs the commands of a page as a reader does: in one shell, in order, in the root of the repository."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.integration.docs.documented import ROOT, Command

PAGE_SECONDS = 1800  # it ends what hangs: the longest page takes a minute on two quiet cores
SHOWN = 4000  # characters of the output of a command that failed
_MARK = "@@command "


@dataclass(frozen=True)
class Ran:
    """A command that was run, with its exit code and what it printed."""

    command: Command
    code: int
    output: str

    def __str__(self) -> str:
        return f"{self.command}\nexit code {self.code}\n{self.output[-SHOWN:]}"


def checkout(folder: Path) -> Path:
    """Make a folder that looks like the root of the repository: what commands write is not left in the working tree."""
    for entry in ROOT.iterdir():
        if entry.name not in {".git", ".run"}:
            (folder / entry.name).symlink_to(entry)
    return folder


def run(commands: Sequence[Command], environment: Mapping[str, str], folder: Path) -> list[Ran]:
    """Run commands in one shell, each whatever the one before did; a shell that ends early ran fewer."""
    codes = folder / ".codes"
    lines = [f"exec 7>{codes}"]
    for number, command in enumerate(commands):
        mark = f"printf '\\n{_MARK}{number}\\n'"
        lines += [mark, command.text, f"echo {number} $? >&7"]
    script = folder / ".commands.sh"
    script.write_text("\n".join(lines) + "\n")
    answer = subprocess.run(
        ["bash", str(script)],
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PAGE_SECONDS,
        check=False,
    )
    parts = dict(_parts(answer.stdout))
    ended = [line.split() for line in codes.read_text().splitlines()]
    return [Ran(commands[int(number)], int(code), parts.get(int(number), "")) for number, code in ended]


def _parts(output: str) -> list[tuple[int, str]]:
    found = []
    for part in output.split(_MARK)[1:]:
        number, _, text = part.partition("\n")
        found.append((int(number), text.strip()))
    return found

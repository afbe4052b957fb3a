"""Phrases that our texts do not use, as another word is the usual one: run by `make lint`.

Strings, docstrings and comments of Python files are checked, and every line of the other files. A phrase is a whole
word, or words next to each other; a text in which it is the right one stands in `ALLOWED`.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
FOLDERS: Final = ("operator", "charts", "docs", "dashboards", "devcluster", "benchmarks", "README.md", "SECURITY.md")
SUFFIXES: Final = {".py", ".md", ".yaml", ".tpl", ".acl", ".toml", ".txt", ""}

INSTEAD: Final = {
    r"look(s|ed|ing)?(?! up\b)": "read, poll, check or find",
    r"tells?|telling|told": "report, show, request or notify",
    r"wish(es|ed)?": "spec, desired or requested",
    r"people|persons?": "user, reader, customer or unit",
    r"in hand": "running or in progress",
    r"anew": "again",
    r"beside": "next to, with or besides",
    r"in vain": "failed, or without success",
    r"(some|any|no)body": "a user, any user, no user; or the passive",
    r"carr(y|ies|ied) out": "run, apply or process",
    r"mend(s|ed|ing)?": "fix or repair",
    r"campaigns?": "experiment",
}
"""Patterns of phrases, and what to write instead."""

ALLOWED: Final = (
    r"rows of people",  # those whom the data are about
    r"lookup|look-up|looks? like",
    r"demo\.campaigns|campaigns\.py|the data call them campaigns",  # of the demo's data
    r"as `nobody`|that `nobody`|^\"nobody\"$",  # the user of Unix
)

_INSTEAD = {
    re.compile(rf"(?<![\w-])(?:{pattern})(?![\w-])", re.IGNORECASE): words for pattern, words in INSTEAD.items()
}
_ALLOWED = re.compile("|".join(f"(?:{pattern})" for pattern in ALLOWED), re.IGNORECASE)


def findings(text: str) -> list[str]:
    """Return the phrases of a text that another word should stand for, each with what to write instead."""
    rest = _ALLOWED.sub(" ", text)
    return [f'"{found[0]}": {words}' for phrase, words in _INSTEAD.items() for found in phrase.finditer(rest)]


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield what is read in a file, with the number of its line."""
    content = path.read_text()
    if path.suffix != ".py":
        yield from enumerate(content.splitlines(), 1)
        return
    for token in tokenize.generate_tokens(io.StringIO(content).readline):
        if token.type in {tokenize.STRING, tokenize.COMMENT}:
            for offset, line in enumerate(token.string.splitlines()):
                yield token.start[0] + offset, line


def checked_files() -> list[Path]:
    """Return the files of the repository that are checked."""
    listed = subprocess.run(["git", "ls-files", "-z", *FOLDERS], cwd=ROOT, capture_output=True, text=True, check=True)
    names = [Path(name) for name in listed.stdout.split("\0") if name]
    return [ROOT / name for name in names if name.suffix in SUFFIXES]


def main() -> int:
    """Print each finding as `file:line: phrase: instead`; return 1 if there are any."""
    found = [
        f"{path.relative_to(ROOT)}:{number}: {finding}"
        for path in checked_files()
        for number, text in texts(path)
        for finding in findings(text)
    ]
    sys.stdout.write("".join(f"{each}\n" for each in found) or "No phrase of tests/plain_english.py.\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

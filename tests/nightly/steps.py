"""Steps of a nightly part: run within a budget of time, with results that are kept and reused."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

PASSED: Final = "passed"
FAILED: Final = "failed"
LEFT: Final = "left"
INCOMPLETE: Final = 3
"""Exit code of a part of which nothing failed, but some steps are left for its next start."""
_IGNORED: Final = frozenset({"__pycache__", ".hypothesis"})


@dataclass(frozen=True)
class Step:
    """A command, and the files and folders that its result depends on, relative to the repository.

    A step that is `repeated` keeps its own results, or searches further each time: it runs in each start of its part.
    """

    name: str
    command: Sequence[str]
    depends_on: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    repeated: bool = False


@dataclass(frozen=True)
class Result:
    """How a step ended, in how many seconds, and the digest of what it depends on."""

    outcome: str
    seconds: float
    digest: str


class Record:
    """Results of a part's steps in a JSON file, written after each step."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def read(self) -> dict[str, Result]:
        """Return the results by name of the step."""
        if not self.file.exists():
            return {}
        return {name: Result(**fields) for name, fields in json.loads(self.file.read_text()).items()}

    def write(self, name: str, result: Result) -> None:
        """Replace the result of a step."""
        results = {**self.read(), name: result}
        self.file.parent.mkdir(parents=True, exist_ok=True)
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps({each: asdict(value) for each, value in results.items()}, indent=2) + "\n")
        new.replace(self.file)


@dataclass(frozen=True)
class Report:
    """The results of all steps of a part; a step that is left has the outcome `left`."""

    results: Mapping[str, Result]

    @property
    def exit_code(self) -> int:
        """0 if all passed, 1 if a step failed, else 3."""
        outcomes = {result.outcome for result in self.results.values()}
        if FAILED in outcomes:
            return 1
        return INCOMPLETE if LEFT in outcomes else 0

    def table(self) -> str:
        """Return a line for each step."""
        return "\n".join(
            f"{result.outcome:<8}{result.seconds:>7.0f} s  {name}" for name, result in self.results.items()
        )


def digest_of(paths: Iterable[str], root: Path) -> str:
    """Return a digest of the names and contents of files and folders."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        for file in sorted([root / path, *(root / path).rglob("*")]):
            if file.is_file() and not _IGNORED & set(file.parts):
                digest.update(f"{file.relative_to(root)}\0".encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def run(
    steps: Sequence[Step], record: Record, root: Path, budget: float, clock: Callable[[], float] = time.monotonic
) -> Report:
    """Run the steps that have no result for the present files; start none after `budget` seconds."""
    began, kept, results = clock(), record.read(), {}
    for step in steps:
        digest = digest_of(step.depends_on, root)
        result = kept.get(step.name, Result(LEFT, 0, digest))
        if result != Result(PASSED, result.seconds, digest) or step.repeated:
            result = _started(step, digest, root, clock) if clock() - began < budget else Result(LEFT, 0, digest)
            record.write(step.name, result)
        results[step.name] = result
    return Report(results)


def _started(step: Step, digest: str, root: Path, clock: Callable[[], float]) -> Result:
    began = clock()
    command = ["env", *(f"{name}={value}" for name, value in step.environment.items()), *step.command]
    code = subprocess.run(command, cwd=root, check=False).returncode
    return Result(FAILED if code else PASSED, round(clock() - began, 1), digest)

"""`make nightly PART=mutation`: break the product at random places and see whether a unit test notices.

Results are kept with the digest of the mutated module, of the tests and of the seed: a run that was interrupted goes on
where it stopped. A mutant that no unit test runs has survived; one whose tests exceed the time limit is killed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final

from tests.nightly.covering import Covering, covering
from tests.nightly.mutants import Mutant, draw

ROOT: Final = Path(__file__).parents[2]
KEPT: Final = ROOT / ".run" / "nightly" / "mutation"
MUTATED: Final = ("operator/twin_operator/services", "operator/twin_operator/worker")
TESTS: Final = ("tests/unit", "tests/fakes", "tests/contracts", "tests/conftest.py")
LIMIT_SECONDS: Final = 90.0  # for a mutant's tests: `make unit` has 60 for all, and the machine may be busy
WORKERS: Final = 2  # processes that test mutants: one a core
LEAST_KILLED: Final = 0.8  # share of the mutants, or the part fails
LONGEST_SHOWN: Final = 100  # characters of a survivor's code before and after


@dataclass(frozen=True)
class Verdict:
    """The result of a mutant: killed by a test, or survived some number of tests."""

    killed: bool
    by: str
    tests: int


class Results:
    """Verdicts in a JSON file by mutant and digest, written after each."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._kept: dict[str, dict[str, Any]] = json.loads(file.read_text()) if file.exists() else {}

    def get(self, mutant: Mutant, digest: str) -> Verdict | None:
        """Return the verdict on a mutant of this very code and these tests."""
        found = self._kept.get(f"{digest} {mutant.name}")
        return None if found is None else Verdict(**found)

    def put(self, mutant: Mutant, digest: str, verdict: Verdict) -> None:
        """Keep a verdict."""
        self._kept[f"{digest} {mutant.name}"] = vars(verdict)
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(self._kept, indent=1))
        new.replace(self._file)


class Worker:
    """A process of `mutation_worker` with a tree of its own."""

    def __init__(self, tree: Path, files: Collection[str]) -> None:
        environment = {**os.environ, "PYTHONPATH": f"{tree / 'operator'}:{tree}", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "tests.nightly.mutation_worker"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, cwd=tree, env=environment, stdin=pipe, stdout=pipe, text=True)
        self._send({"files": sorted(files)})

    def test(self, mutant: Mutant, source: str, nodes: Sequence[str]) -> Verdict:
        """Run tests on a mutant."""
        request = {"module": mutant.module, "source": mutant.apply(source), "nodes": nodes, "limit": LIMIT_SECONDS}
        self._send(request)
        assert self._process.stdout is not None
        return Verdict(**json.loads(self._process.stdout.readline()), tests=len(nodes))

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _send(self, content: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(content) + "\n")
        self._process.stdin.flush()


def main() -> int:
    """Draw mutants, test those without a verdict, and report."""
    options = _options()
    sys.stdout.write(f"Seed {options.seed}: {options.count} mutants of services and worker.\n")
    KEPT.mkdir(parents=True, exist_ok=True)
    sources = {file.relative_to(ROOT).as_posix(): file.read_text() for file in _python_files(MUTATED)}
    mutants = draw(sources, options.count, options.seed)
    verdicts = judge(mutants, sources, options.seed)
    report = report_of(mutants, verdicts, options.seed)
    file = options.report or KEPT / f"report-{options.seed}.txt"
    file.write_text(report)
    sys.stdout.write(f"\n{report}\nKept in {file}\n")
    killed = sum(verdict.killed for verdict in verdicts)
    return 0 if killed >= LEAST_KILLED * len(verdicts) else 1


def judge(mutants: Sequence[Mutant], sources: Mapping[str, str], seed: int) -> list[Verdict]:
    """Return the verdict on each mutant; the order is theirs."""
    tests = digest_of([*_python_files(TESTS)])
    results = Results(KEPT / f"results-{seed}.json")
    digests = [digest(sources[mutant.module], tests, str(seed)) for mutant in mutants]
    missing = [number for number, each in enumerate(mutants) if results.get(each, digests[number]) is None]
    if missing:
        with trees() as (first, *others):
            code = digest_of([*_python_files(["operator"]), *_python_files(TESTS)])
            covered = covering(first, KEPT / f"covering-{code[:16]}.json")
            with workers([first, *others], covered) as idle, ThreadPoolExecutor(WORKERS) as threads:
                begun = {
                    threads.submit(_test, mutants[number], sources[mutants[number].module], covered, idle): number
                    for number in missing
                }
                for ended in as_completed(begun):
                    number = begun[ended]
                    results.put(mutants[number], digests[number], ended.result())
                    _progress(mutants[number], ended.result())
    kept = [results.get(mutant, each) for mutant, each in zip(mutants, digests, strict=True)]
    return [verdict for verdict in kept if verdict is not None]


def _test(mutant: Mutant, source: str, covered: Covering, idle: SimpleQueue[Worker]) -> Verdict:
    nodes = covered.tests_of(mutant)
    if not nodes:
        return Verdict(killed=False, by="no test runs it", tests=0)
    worker = idle.get()
    try:
        return worker.test(mutant, source, nodes)
    finally:
        idle.put(worker)


@contextmanager
def trees() -> Iterator[list[Path]]:
    """Copy what the repository holds, once for each worker; the work tree itself is never changed."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    copies = [KEPT / f"tree-{number}" for number in range(WORKERS)]
    for copy in copies:
        shutil.rmtree(copy, ignore_errors=True)
        for name in filter(None, names):
            if (ROOT / name).is_file():
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, copy / name)
    try:
        yield copies
    finally:
        for copy in copies:
            shutil.rmtree(copy, ignore_errors=True)


@contextmanager
def workers(copies: Sequence[Path], covered: Covering) -> Iterator[SimpleQueue[Worker]]:
    """Start a worker in each copy."""
    files = {test.partition("::")[0] for test in covered.weight if test}
    every = [Worker(copy, files) for copy in copies]
    idle: SimpleQueue[Worker] = SimpleQueue()
    try:
        for worker in every:
            check_worker(worker, covered)
            idle.put(worker)
        yield idle
    finally:
        for worker in every:
            worker.close()


def check_worker(worker: Worker, covered: Covering) -> None:
    """Raise RuntimeError where a test fails without any mutant: all of them would be taken for killed."""
    module = Path(MUTATED[0], "pace.py").as_posix()
    whole = Mutant(module=module, operator="none", start=(1, 0), end=(1, 0), statement=0, before="", after="")
    source = (ROOT / module).read_text()
    verdict = worker.test(whole, source, covered.tests_of(whole)[:1])
    if verdict.killed:
        raise RuntimeError(f"A test fails without a mutant: {verdict.by}")


def report_of(mutants: Sequence[Mutant], verdicts: Sequence[Verdict], seed: int) -> str:
    """Return the table by module and the list of survivors."""
    killed = sum(verdict.killed for verdict in verdicts)
    lines = [f"Seed {seed}: {killed} of {len(verdicts)} mutants killed.", "", "killed  of  module"]
    for module in sorted({mutant.module for mutant in mutants}):
        own = [verdict for mutant, verdict in zip(mutants, verdicts, strict=True) if mutant.module == module]
        lines.append(f"{sum(each.killed for each in own):6}{len(own):4}  {module}")
    lines += ["", "Survivors:"]
    for mutant, verdict in zip(mutants, verdicts, strict=True):
        if not verdict.killed:
            why = f"survived {verdict.tests} tests" if verdict.tests else verdict.by
            lines.append(f"{mutant.module}:{mutant.start[0]}: {mutant.operator}, {why}")
            lines.append(f"    {_shown(mutant.before)}  ->  {_shown(mutant.after)}")
    return "\n".join(lines) + "\n"


def digest(*texts: str) -> str:
    """Return a digest of texts in their order."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def digest_of(files: Sequence[Path]) -> str:
    """Return a digest of the contents of files."""
    return digest(*(file.read_text() for file in files))


def _python_files(places: Sequence[str]) -> list[Path]:
    found = [ROOT / place for place in places]
    return sorted(file for place in found for file in ([place] if place.is_file() else place.rglob("*.py")))


def _progress(mutant: Mutant, verdict: Verdict) -> None:
    word = "killed  " if verdict.killed else "SURVIVED"
    sys.stdout.write(f"{word} {mutant.module}:{mutant.start[0]} {mutant.operator} ({verdict.by})\n")
    sys.stdout.flush()


def _shown(code: str) -> str:
    line = " ".join(code.split())
    return line if len(line) <= LONGEST_SHOWN else f"{line[:LONGEST_SHOWN]}..."


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.nightly.mutation", description=__doc__)
    parser.add_argument("--count", type=int, default=100, help="How many mutants are drawn.")
    parser.add_argument("--seed", type=int, default=None, help="Of the draw; the commit's digits without one.")
    parser.add_argument("--report", type=Path, default=None, help="File for the report.")
    options = parser.parse_args()
    if options.seed is None:
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True)
        options.seed = int(head.stdout[:8], 16)
    return options


if __name__ == "__main__":
    sys.exit(main())

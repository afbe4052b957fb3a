"""A process that tests mutants in a copy of the tree, each in a fork, so that what takes time is imported once.

It reads a request a line from standard input and writes an answer a line to standard output, both JSON.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest

TREE_PACKAGES: Final = frozenset(("twin_operator", "tests", "devcluster", "demo", "dashboards", "benchmarks", "charts"))
POLL_SECONDS: Final = 0.02  # between two checks whether a fork has ended
QUIET: Final = (
    *("-x", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:terminalreporter"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # a plugin may have been imported before the fork
)
NO_TESTS: Final = pytest.ExitCode.NO_TESTS_COLLECTED


class Selection:
    """A plugin that runs some tests in a given order, and keeps the first that failed."""

    def __init__(self, nodes: Sequence[str]) -> None:
        self._order = {node: number for number, node in enumerate(nodes)}
        self.failed: str | None = None

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        chosen = [item for item in items if item.nodeid in self._order]
        items[:] = sorted(chosen, key=lambda item: self._order[item.nodeid])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and self.failed is None:
            self.failed = report.nodeid


def run_tests(nodes: Sequence[str]) -> tuple[int, str | None]:
    """Run tests until one fails; return pytest's exit code and the one that failed."""
    selection = Selection(nodes)
    files = list(dict.fromkeys(node.partition("::")[0] for node in nodes))
    code = pytest.main([*QUIET, *files], plugins=[selection])
    return int(code), selection.failed


def import_third_party(modules: Collection[str]) -> None:
    """Import what tests import, but for this tree and for plugins of pytest: these rewrite what they import."""
    distributions = {entry.dist.name for entry in importlib.metadata.entry_points(group="pytest11") if entry.dist}
    owners = importlib.metadata.packages_distributions()
    for module in modules:
        top = module.partition(".")[0]
        if top not in TREE_PACKAGES and not distributions & set(owners.get(top, ())):
            with suppress(Exception):
                importlib.import_module(module)


def in_fork(work: Any, limit: float) -> Any:
    """Return what `work` returns in a fork, or None where it has not ended within `limit` seconds or has died."""
    with tempfile.TemporaryFile("w+") as answer:  # not a pipe: one that is full would stop the fork
        child = os.fork()
        if child == 0:
            os.setpgid(0, 0)
            _silence()
            json.dump(work(), answer)
            answer.flush()
            os._exit(0)
        ended = _ends(child, limit)
        answer.seek(0)
        text = answer.read() if ended else ""
    return json.loads(text) if text else None


def _ends(child: int, limit: float) -> bool:
    """Wait for a fork and end what it has left behind; return whether it ended by itself."""
    deadline = time.monotonic() + limit
    ended = False
    while not ended and time.monotonic() < deadline:
        ended = os.waitpid(child, os.WNOHANG)[0] == child
        time.sleep(POLL_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if not ended:
        os.waitpid(child, 0)
    return ended


def _silence() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)


def forget_bytecode(module: Path) -> None:
    """Remove the compiled module: one of the same size and second would be taken for the new source."""
    for compiled in (module.parent / "__pycache__").glob(f"{module.stem}.*.pyc"):
        compiled.unlink(missing_ok=True)


def test_mutant(request: Mapping[str, Any]) -> dict[str, Any]:
    """Put a mutant in the place of its module, run tests, and put the module back.

    Args:
        request: `module` (path), `source` (mutated), `nodes` (tests) and `limit` (seconds).

    Returns:
        `killed`, and `by`: the test, or why else.
    """
    module = Path(request["module"])
    original = module.read_text()
    try:
        module.write_text(request["source"])
        forget_bytecode(module)
        result = in_fork(lambda: run_tests(request["nodes"]), request["limit"])
    finally:
        module.write_text(original)
        forget_bytecode(module)
    if result is None:
        return {"killed": True, "by": "the time limit, or the end of the process"}
    code, failed = result
    return {"killed": code not in {0, NO_TESTS}, "by": failed or f"exit code {code}"}


def main() -> None:
    """Import what tests of the tree import, then answer requests until the input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    files = json.loads(sys.stdin.readline())["files"]
    imported = in_fork(lambda: _imported(files), limit=600)
    import_third_party(imported or ())
    for line in sys.stdin:
        answers.write(json.dumps(test_mutant(json.loads(line))) + "\n")


def _imported(files: Sequence[str]) -> list[str]:
    """Return the modules that tests import, in their order."""
    pytest.main([*QUIET, "--collect-only", *files])
    return list(sys.modules)


if __name__ == "__main__":
    main()

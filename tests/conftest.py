"""The tiers: each test belongs to exactly one of them, by its folder or its marker (CONTRIBUTING.md has the table)."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.database import DirectoryBasedExampleDatabase
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from tests import durations

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

# Their failures show values, as those of test modules do.
pytest.register_assert_rewrite("tests.contracts", "tests.fakes", "tests.integration", "tests.unit")

NIGHTLY_EXAMPLES = 5000  # of a property: what a fuzzing run of an hour has time for
FUZZ_DATABASE = ".run/nightly/hypothesis"  # failures found by fuzzing are tried first in its next run
FOLDER_TIERS = {"slow": "slow", "upgrade": "slow", "nightly": "nightly", "e2e": "e2e"}
"""Marker of each folder of tests/ whose tests all belong to one tier."""

STATUSES = Path(".run/emitted")  # one file a process of a run with --record-statuses
SHARED = "integration/journey"  # folder whose files run in one process
LONG = "tests/integration/"  # whose files take tens of seconds; those of tests/unit take few

# Neither deadlines nor health checks of speed: the machine that runs the tests may be busy. The same examples in every
# run, so that an unrelated change cannot meet a new one; new ones are what the fuzzing of `make nightly` is for.
settings.register_profile(
    "default", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "nightly",
    deadline=None,
    max_examples=NIGHTLY_EXAMPLES,
    database=DirectoryBasedExampleDatabase(FUZZ_DATABASE),
    print_blob=True,
)
settings.load_profile("default")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--record-durations", action="store_true", help=f"Write the durations of this run to {durations.FILE}."
    )
    parser.addoption(
        "--record-statuses", action="store_true", help="Keep what statuses say, for `python -m tests.emitted`."
    )
    parser.addoption(
        "--on-demo", action="store_true", help="Run documented commands on the cluster that `make demo KEEP=1` leaves."
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("record_statuses") and not hasattr(config, "workerinput"):
        shutil.rmtree(STATUSES, ignore_errors=True)
    # Otherwise plugins that ask for the current event loop create one that nothing closes (before Python 3.14), and an
    # unrelated test fails by the ResourceWarning when the garbage collector finds it.
    asyncio.set_event_loop(None)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of folders that are a tier, and name the group that each runs in (see `group_of`).

    The order is shuffled before; the largest group comes first, so that another process can take all others, then
    the files that take long, so that no process waits long for the last one.
    """
    for item in items:
        folder, *_ = item.path.relative_to(durations.TESTS).parts
        if folder in FOLDER_TIERS:
            item.add_marker(FOLDER_TIERS[folder])
    items.sort(key=lambda item: (group_of(item.nodeid) != SHARED, not item.nodeid.startswith(LONG)))


def group_of(nodeid: str) -> str:
    """Return the group of a test: with xdist, one process runs a group, so that fixtures are not made twice.

    A file is a group; the journeys are one, since they share an operator, its workers and a trained model.
    """
    file = nodeid.partition("::")[0].removeprefix("tests/")
    return SHARED if file.rpartition("/")[0] == SHARED else file


class Groups(LoadScopeScheduling):  # type: ignore[misc]
    """Give whole groups to processes."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Groups:
    return Groups(config, log)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Keep what this process saw in statuses."""
    if session.config.getoption("record_statuses"):
        from tests.fakes.emitted import EMITTED  # noqa: PLC0415 - not before assertions of tests.fakes are rewritten

        EMITTED.save(STATUSES)


def pytest_terminal_summary(terminalreporter: TerminalReporter, exitstatus: int, config: pytest.Config) -> None:
    """Print what tests counted; record the durations where that was asked for and every test passed."""
    for report in terminalreporter.getreports("passed"):
        for name, counted in report.user_properties:
            terminalreporter.write_line(f"{name}: {counted}")
    if config.getoption("record_durations") and exitstatus == pytest.ExitCode.OK:
        reports = [each for key in ("passed", "skipped", "") for each in terminalreporter.getreports(key)]
        durations.record(durations.by_file((each.nodeid, each.duration) for each in reports))

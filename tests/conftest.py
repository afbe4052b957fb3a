"""The tiers: each test belongs to exactly one of them, by its folder or its marker (CONTRIBUTING.md has the table)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis.database import DirectoryBasedExampleDatabase

from tests import durations

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

pytest.register_assert_rewrite("tests.contracts")  # so that their failures show values, as those of test modules do

NIGHTLY_EXAMPLES = 5000  # of a property: what a fuzzing run of an hour has time for
FUZZ_DATABASE = ".run/nightly/hypothesis"  # failures found by fuzzing are tried first in its next run
FOLDER_TIERS = {"slow": "slow", "upgrade": "slow", "nightly": "nightly", "e2e": "e2e"}
"""Marker of each folder of tests/ whose tests all belong to one tier."""

# No deadline: the machine that runs the tests may be busy.
settings.register_profile("default", deadline=None)
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


def pytest_configure() -> None:
    # Otherwise plugins that ask for the current event loop create one that nothing closes (before Python 3.14), and an
    # unrelated test fails by the ResourceWarning when the garbage collector finds it.
    asyncio.set_event_loop(None)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of folders that are a tier, and name the group that each runs in (see `group_of`)."""
    for item in items:
        folder, *_ = item.path.relative_to(durations.TESTS).parts
        if folder in FOLDER_TIERS:
            item.add_marker(FOLDER_TIERS[folder])
        item.add_marker(pytest.mark.xdist_group(group_of(item)))


def group_of(item: pytest.Item) -> str:
    """Return the group of a test: with xdist, one process runs a group, so that fixtures are not made twice."""
    return item.path.relative_to(durations.TESTS).as_posix()


def pytest_terminal_summary(terminalreporter: TerminalReporter, exitstatus: int, config: pytest.Config) -> None:
    """Record the durations where that was asked for and every test passed."""
    if config.getoption("record_durations") and exitstatus == pytest.ExitCode.OK:
        reports = [each for key in ("passed", "skipped", "") for each in terminalreporter.getreports(key)]
        durations.record(durations.by_file((each.nodeid, each.duration) for each in reports))

"""What `make` does before the tests of a tier."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("tier", ["test", "test-slow"])
def test_programs_are_built_before_the_tests_and_without_their_time_limit(tier: str) -> None:
    commands = subprocess.run(
        ["make", "--dry-run", tier], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    build = next(index for index, line in enumerate(commands) if "devcluster build" in line)
    tests = next(index for index, line in enumerate(commands) if "-m pytest" in line)
    assert build < tests

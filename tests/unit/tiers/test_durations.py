"""The record of the slow tests' durations: complete, true to the files, and within the tier's budget."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import durations


def test_seconds_of_setup_call_and_teardown_add_up_for_each_file() -> None:
    reports = [("tests/slow/test_a.py::test_x", 1.4), ("tests/slow/test_a.py::test_y[1]", 2.2), ("tests/b.py::z", 0.1)]
    assert durations.by_file(reports) == {"b.py": 0, "slow/test_a.py": 4}


def test_a_file_is_slow_by_its_folder_or_by_a_marker_in_it(tmp_path: Path) -> None:
    contents = {
        "slow/test_a.py": "",
        "upgrade/test_b.py": "",
        "integration/test_c.py": "pytestmark = pytest.mark.slow\n",
        "integration/test_d.py": "@pytest.mark.slow\ndef test_d(): ...\n",
        "integration/test_e.py": '"""Not pytest.mark.slow."""\n',
        "slow/platform.py": "",
    }
    for name, text in contents.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    expected = {"slow/test_a.py", "upgrade/test_b.py", "integration/test_c.py", "integration/test_d.py"}
    assert durations.slow_files(tmp_path) == expected


@pytest.mark.parametrize(
    ("recorded", "sentence"),
    [
        ({"a.py": 10}, None),
        ({}, "a.py is slow and not recorded"),
        ({"a.py": 10, "gone.py": 1}, "gone.py is recorded, but"),
        ({"a.py": 61}, "slow tests take 61 s of 60 s"),
    ],
    ids=["complete", "missing", "gone", "over the budget"],
)
def test_what_is_wrong_with_the_record_is_named(recorded: dict[str, int], sentence: str | None) -> None:
    found = durations.faults(recorded, {"a.py"}, budget=60)
    assert [sentence in each for each in found if sentence] == ([True] if sentence else [])
    assert bool(found) == (sentence is not None)


def test_a_run_of_some_files_keeps_the_others_and_drops_what_was_deleted(tmp_path: Path) -> None:
    file = tmp_path / "durations.json"
    file.write_text(json.dumps({"a.py": 1, "b.py": 2, "gone.py": 3}))
    for name in ("a.py", "b.py"):
        (tmp_path / name).touch()
    durations.record({"b.py": 5}, file)
    assert json.loads(file.read_text()) == {"a.py": 1, "b.py": 5}

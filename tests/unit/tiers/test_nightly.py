"""Nightly parts: steps run once for each state of their files, within a budget, and the rest another time."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.nightly.covering import FOLDERS
from tests.nightly.parts import PARTS, ROOT
from tests.nightly.steps import INCOMPLETE, Record, Report, Step, digest_of, run


class Part:
    """Steps in a folder of their own; each writes its name into `log` when it runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.record = Record(folder / "results" / "part.json")
        (folder / "code").mkdir()
        self.change("first")

    def change(self, text: str) -> None:
        (self.folder / "code" / "module.py").write_text(text)

    def step(self, name: str, code: int = 0, *, repeated: bool = False) -> Step:
        script = f"open({str(self.log)!r}, 'a').write({name!r} + chr(10)); raise SystemExit({code})"
        return Step(name, [sys.executable, "-c", script], ["code"], repeated=repeated)

    def run(self, *steps: Step, budget: float = 1000, ticks: Sequence[float] = ()) -> Report:
        times = iter(ticks)
        return run(steps, self.record, self.folder, budget, clock=lambda: next(times, 0.0))

    @property
    def runs(self) -> list[str]:
        return self.log.read_text().split() if self.log.exists() else []


@pytest.fixture
def part(tmp_path: Path) -> Part:
    return Part(tmp_path)


def test_a_step_that_passed_is_not_run_again_until_its_files_change(part: Part) -> None:
    for _ in range(2):
        assert part.run(part.step("a")).exit_code == 0
    assert part.runs == ["a"]
    part.change("second")
    part.run(part.step("a"))
    assert part.runs == ["a", "a"]


def test_a_step_that_failed_is_run_again_and_the_others_are_not_held_up(part: Part) -> None:
    for _ in range(2):
        assert part.run(part.step("bad", code=1), part.step("good")).exit_code == 1
    assert part.runs == ["bad", "good", "bad"]


def test_no_step_starts_after_the_budget_and_the_next_start_goes_on(part: Part) -> None:
    first = part.run(part.step("a"), part.step("b"), budget=60, ticks=[0, 0, 0, 61, 61])
    assert ([result.outcome for result in first.results.values()], first.exit_code) == (["passed", "left"], INCOMPLETE)
    assert part.run(part.step("a"), part.step("b"), budget=60).exit_code == 0
    assert part.runs == ["a", "b"]


def test_a_repeated_step_runs_each_time(part: Part) -> None:
    for _ in range(2):
        part.run(part.step("a", repeated=True))
    assert part.runs == ["a", "a"]


def test_a_step_gets_its_environment(part: Part) -> None:
    script = "import os; raise SystemExit(os.environ['SEED'] != '7')"
    assert part.run(Step("a", [sys.executable, "-c", script], ["code"], {"SEED": "7"})).exit_code == 0


def test_a_digest_changes_with_the_name_and_the_content_of_a_file_and_not_with_caches(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "a.py").write_text("1")
    first = digest_of(["code"], tmp_path)
    (tmp_path / "code" / "__pycache__").mkdir()
    (tmp_path / "code" / "__pycache__" / "a.pyc").write_text("x")
    assert digest_of(["code"], tmp_path) == first
    (tmp_path / "code" / "a.py").rename(tmp_path / "code" / "b.py")
    renamed = digest_of(["code"], tmp_path)
    (tmp_path / "code" / "b.py").write_text("2")
    assert len({first, renamed, digest_of(["code"], tmp_path)}) == 3


@pytest.mark.parametrize("part", sorted(PARTS))
def test_each_part_has_steps_that_depend_on_files_of_the_repository(part: str) -> None:
    steps = PARTS[part]()
    assert steps
    assert [path for step in steps for path in step.depends_on if not (ROOT / path).exists()] == []


def test_mutants_are_judged_by_the_tests_of_make_unit() -> None:
    makefile = (ROOT / "Makefile").read_text()

    assert f"UNIT_TESTS := $(addprefix tests/unit/,{' '.join(FOLDERS)})" in makefile

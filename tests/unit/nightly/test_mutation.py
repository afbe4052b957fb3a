"""The mutation tool: which mutants a function has, how they are drawn, which tests judge them, and the report."""

from __future__ import annotations

import ast
import os
import time
from pathlib import Path

import pytest
from coverage import CoverageData

from tests.nightly.covering import Covering, read_coverage
from tests.nightly.mutants import Mutant, draw, mutants_of
from tests.nightly.mutation import Results, Verdict, report_of
from tests.nightly.mutation_worker import in_fork

FUNCTION = '''"""A module."""

LIMIT = 3


def fits(size: int, parts: list[int], *, empty: bool = False) -> bool:
    """Whether they fit."""
    logger.info("Checking %s.", size)
    if not parts and empty:
        raise ValueError("There is nothing to check.")
    total = sum(part + 1 for part in parts if part > 0)
    self.total = total
    return total <= size if size else False
'''

EXPECTED = [
    (6, "constant", "False", "(True)"),
    (9, "boolean", "not parts and empty", "(not parts or empty)"),
    (9, "condition", "not parts and empty", "(not (not parts and empty))"),
    (9, "not", "not parts", "(parts)"),
    (10, "removed statement", "raise ValueError('There is nothing to check.')", "pass"),
    (11, "arithmetic", "part + 1", "(part - 1)"),
    (11, "constant", "1", "(2)"),
    (11, "comparison", "part > 0", "(part >= 0)"),
    (11, "condition", "part > 0", "(not part > 0)"),
    (11, "constant", "0", "(1)"),
    (12, "removed statement", "self.total = total", "pass"),
    (13, "return value", "return total <= size if size else False", "return None"),
    (13, "comparison", "total <= size", "(total < size)"),
    (13, "exchanged branches", "total <= size if size else False", "(False if size else total <= size)"),
    (13, "constant", "False", "(True)"),
]


def test_a_function_has_these_mutants_and_no_others() -> None:
    found = [(each.start[0], each.operator, each.before, each.after) for each in mutants_of("m.py", FUNCTION)]
    assert found == EXPECTED


def test_each_mutant_is_sound_code_that_differs_in_one_place() -> None:
    for mutant in mutants_of("m.py", FUNCTION):
        mutated = mutant.apply(FUNCTION)
        ast.parse(mutated)
        assert mutated != FUNCTION
        assert mutated.replace(mutant.after, "", 1) != mutated


def test_a_change_of_several_lines_replaces_just_these() -> None:
    source = 'class Ä:\n    def a(self):\n        return [\n            "ü x",\n            1,\n        ], "b c"\n'
    (one,) = (each for each in mutants_of("m.py", source) if each.operator == "return value")
    assert one.apply(source) == "class Ä:\n    def a(self):\n        return None\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a < b", "a <= b"),
        ("a >= b", "a > b"),
        ("a == b", "a != b"),
        ("a is b", "a is not b"),
        ("a not in b", "a in b"),
        ("a or b", "a and b"),
        ("a // b", "a * b"),
        ("a | b", "a & b"),
        ("'key'", "'XXkey'"),
        ("2.5", "3.5"),
        ("b if a else c", "c if a else b"),
    ],
)
def test_an_operator_changes_an_expression(before: str, after: str) -> None:
    source = f"def f():\n    x = {before}\n"
    assert f"({after})" in [mutant.after for mutant in mutants_of("m.py", source)]


@pytest.mark.parametrize(
    "code", ["logger.warning('word', 1)", "x: Literal['word']", "f'{word}word'", "'one word more'", "a < b < c"]
)
def test_text_for_people_log_lines_and_annotations_have_no_mutants(code: str) -> None:
    assert mutants_of("m.py", f"def f():\n    {code}\n") == []


def test_the_same_seed_draws_the_same_mutants_and_another_others() -> None:
    sources = {"b.py": FUNCTION, "a.py": FUNCTION}
    drawn = draw(sources, 5, seed=1)
    assert draw(dict(reversed(sources.items())), 5, seed=1) == drawn
    assert draw(sources, 5, seed=2) != drawn
    assert len({mutant.name for mutant in draw(sources, 1_000, seed=1)}) == 2 * len(EXPECTED)


def mutant(line: int, statement: int | None = None) -> Mutant:
    return Mutant("m.py", "constant", (line, 4), (line, 5), statement or line, "1", "(2)")


def test_the_tests_of_a_mutant_are_those_that_run_its_line_the_most_specific_first() -> None:
    lines = {"2": ["wide", "narrow", "broken"], "3": ["other"], "4": [""], "0": ["narrow", "other"]}
    covered = Covering({"m.py": lines}, ["broken"], {"wide": 90, "narrow": 2, "other": 3})
    assert covered.tests_of(mutant(2)) == ["narrow", "wide"]
    assert covered.tests_of(mutant(9, statement=3)) == ["other"]
    assert covered.tests_of(mutant(4)) == ["narrow", "other"], "a line that runs at import"
    assert covered.tests_of(mutant(7)) == []


def test_coverage_is_read_with_the_tests_that_ran_each_line(tmp_path: Path) -> None:
    data = CoverageData(str(tmp_path / "data"))
    for context, lines in {"": [1], "t.py::a[x|y]|run": [2, 3], "t.py::b|setup": [3]}.items():
        data.set_context(context)
        data.add_lines({str(tmp_path / "m.py"): lines})
    covered = read_coverage(tmp_path / "data", tmp_path, ["broken"])
    both = ["t.py::a[x|y]", "t.py::b"]
    assert covered.lines == {"m.py": {"0": both, "1": [""], "2": both[:1], "3": both}}
    assert (covered.weight, covered.failing) == ({"": 1, both[0]: 2, both[1]: 1}, ["broken"])


def test_verdicts_are_kept_for_the_same_code_only(tmp_path: Path) -> None:
    verdict = Verdict(killed=True, by="test_x", tests=3)
    Results(tmp_path / "results.json").put(mutant(2), "digest", verdict)
    again = Results(tmp_path / "results.json")
    assert again.get(mutant(2), "digest") == verdict
    assert again.get(mutant(2), "another") is None
    assert again.get(mutant(3), "digest") is None


def test_a_report_counts_by_module_and_lists_survivors() -> None:
    verdicts = [Verdict(killed=True, by="t", tests=1), Verdict(killed=False, by="", tests=4)]
    text = report_of([mutant(2), mutant(3)], verdicts, seed=7)
    assert "Seed 7: 1 of 2 mutants killed." in text
    assert "     1   2  m.py" in text
    assert "m.py:3: constant, survived 4 tests\n    1  ->  (2)\n" in text
    assert "m.py:2:" not in text


def test_the_answer_of_a_fork_may_be_long() -> None:
    assert in_fork(lambda: "x" * 200_000, limit=60) == "x" * 200_000


def test_a_fork_that_exceeds_its_limit_or_dies_has_no_answer() -> None:
    assert in_fork(lambda: time.sleep(600), limit=0.2) is None
    assert in_fork(lambda: os._exit(3), limit=60) is None

"""The table of coverage by package."""

from __future__ import annotations

from pathlib import Path

from coverage import Coverage

from tests.package_coverage import Lines, by_package, measured, table


def test_files_add_up_for_each_package_and_modules_of_the_top_count_as_packages() -> None:
    files = {
        "/src/twin_operator/domain/gate.py": Lines(10, 9),
        "/src/twin_operator/domain/twin.py": Lines(30, 21),
        "/src/twin_operator/settings.py": Lines(5, 5),
        "/src/twin_operator/domain/__init__.py": Lines(0, 0),
        "/src/twin_operator/wiring/__init__.py": Lines(0, 0),
    }
    assert by_package(files) == {"domain": Lines(40, 30), "settings": Lines(5, 5)}


def test_the_table_has_a_line_for_each_package_and_one_for_all() -> None:
    shown = table({"domain": Lines(40, 30), "settings": Lines(10, 10)}).splitlines()
    assert [line.split() for line in shown] == [
        ["domain", "40", "lines", "75.0", "%"],
        ["settings", "10", "lines", "100.0", "%"],
        ["all", "50", "lines", "80.0", "%"],
    ]


def test_executed_lines_are_counted_from_what_coverage_measured(tmp_path: Path) -> None:
    file = tmp_path / "branches.py"
    file.write_text("if 1 + 1 == 3:\n    print('never')\nx = 1\n")
    coverage = Coverage(data_file=None, include=[str(file)], config_file=False)
    coverage.get_data().add_lines({str(file): [1, 3]})
    assert measured(coverage) == {str(file): Lines(3, 2)}

"""Which customers are dealt into which experiment, what the files hold, and whether the examples record the same."""

import gzip
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml

from demo.campaigns import (
    BOTH_FILE,
    EVERYBODY,
    EXPERIMENTS,
    FIRST_FILE,
    LATER_FILE,
    MENS_FILE,
    MENS_GOODS,
    ORIGINAL,
    WOMENS_FILE,
    WOMENS_GOODS,
    deal,
    outcomes,
    replace,
    write,
)
from demo.difference import Rows, plain_difference, read_rows

HEADER = "mens,womens,segment"
EXAMPLES = ORIGINAL.parents[1]
RECORDED = re.compile(r"^record (\S+) (\S+) (\S+)$", re.MULTILINE)
OUTCOMES = [("fidelity", LATER_FILE, "Mens E-Mail"), ("retraining", MENS_FILE, "Womens E-Mail")]


def size(rows: Rows) -> int:
    return len(rows["campaign"])


def experiments(group: str) -> set[str]:
    return {f"{group}-{number + 1}" for number in range(EXPERIMENTS)}


def test_a_row_is_dealt_by_its_content_wherever_it_stands() -> None:
    rows = ["1,0,Womens E-Mail", "0,1,No E-Mail", "1,1,Mens E-Mail"]
    one_way = {each.line: each.drawn for each in deal([HEADER, *rows])}
    other_way = {each.line: each.drawn for each in deal([HEADER, *reversed(rows)])}
    assert one_way == other_way
    assert len(set(one_way.values())) == 3


def test_equal_rows_do_not_move_as_one() -> None:
    count = Counter(each.experiment for each in deal([HEADER, *["1,0,No E-Mail"] * 5000]))
    assert set(count) == set(range(1, EXPERIMENTS + 1))
    assert min(count.values()) > 900


def test_the_half_does_not_depend_on_the_experiment() -> None:
    customers = deal([HEADER, *["1,0,No E-Mail"] * 5000])
    for experiment in range(1, EXPERIMENTS + 1):
        half = [each.in_first_half for each in customers if each.experiment == experiment]
        assert 0.45 < sum(half) / len(half) < 0.55


def test_a_comma_within_quotes_does_not_move_the_columns() -> None:
    (customer,) = deal(["history_segment,womens", '"7) $1,000 +",1'])
    assert customer.values == {"history_segment": "7) $1,000 +", "womens": "1"}


def test_every_customer_is_in_one_of_five_experiments_of_about_equal_size(dealt: Path) -> None:
    first, later = read_rows(dealt / FIRST_FILE), read_rows(dealt / LATER_FILE)
    assert size(first) + size(later) == 64_000
    count = Counter([*first["campaign"], *later["campaign"]])
    assert set(count) == experiments(EVERYBODY)
    assert set(first["campaign"]) == {"campaign-1"}
    assert all(abs(each - 12_800) < 350 for each in count.values())  # 3.5 standard deviations


def test_experiments_with_womens_goods_have_half_of_their_buyers(dealt: Path) -> None:
    rows = read_rows(dealt / WOMENS_FILE)
    assert set(rows["campaign"]) == experiments(WOMENS_GOODS)
    assert set(rows["segment"]) == {"Womens E-Mail", "No E-Mail"}
    assert set(rows["womens"]) == {1}
    buyers = read_rows(ORIGINAL)
    all_of_them = np.count_nonzero((buyers["womens"] == 1) & (buyers["segment"] != "Mens E-Mail"))
    assert size(rows) / all_of_them == pytest.approx(0.5, abs=0.01)


def test_experiments_with_mens_goods_have_those_who_bought_nothing_else(dealt: Path) -> None:
    rows = read_rows(dealt / MENS_FILE)
    assert set(rows["campaign"]) == experiments(MENS_GOODS)
    assert set(rows["segment"]) == {"Womens E-Mail", "No E-Mail"}
    assert (set(rows["mens"]), set(rows["womens"])) == ({1}, {0})


def test_the_later_file_has_every_old_row_and_the_new_ones(dealt: Path) -> None:
    old, new, both = (
        gzip.decompress((dealt / name).read_bytes()).decode().splitlines()[1:]
        for name in (WOMENS_FILE, MENS_FILE, BOTH_FILE)
    )
    assert Counter(both) == Counter(old) + Counter(new)


def test_the_same_rows_give_the_same_bytes(dealt: Path, tmp_path: Path) -> None:
    write(tmp_path)
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == sorted(file.name for file in dealt.iterdir())
    assert all((tmp_path / name).read_bytes() == (dealt / name).read_bytes() for name in names)


def test_new_rows_replace_a_file_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"old")
    (tmp_path / "new").write_bytes(b"new")
    with (tmp_path / "old").open("rb") as reader:
        replace(tmp_path, "old", "new")
        assert reader.read() == b"old"  # a reader goes on with the file that it opened
    assert (tmp_path / "old").read_bytes() == b"new"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["new", "old"]


@pytest.mark.parametrize(("folder", "file", "arm"), OUTCOMES)
def test_the_readme_records_what_the_experiments_observed(dealt: Path, folder: str, file: str, arm: str) -> None:
    recorded = RECORDED.findall((EXAMPLES / folder / "README.md").read_text())
    observed = outcomes(dealt / file, arm)
    assert recorded == [(name, f"{each.estimate:.4f}", f"{each.standard_error:.4f}") for name, each in observed.items()]


@pytest.mark.parametrize(("folder", "file", "arm"), OUTCOMES)
def test_a_question_is_named_as_the_experiment_that_answers_it(dealt: Path, folder: str, file: str, arm: str) -> None:
    manifests = yaml.safe_load_all((EXAMPLES / folder / "simulations.yaml").read_text())
    assert [each["metadata"]["name"] for each in manifests] == list(outcomes(dealt / file, arm))


@pytest.mark.parametrize("folder", ["fidelity", "retraining", "burst"])
def test_a_twin_learns_from_a_file_that_is_dealt(dealt: Path, folder: str) -> None:
    spec = yaml.safe_load((EXAMPLES / folder / "twinmodel.yaml").read_text())["spec"]
    assert (dealt / spec["data"]["uri"].removeprefix("file:///data/")).exists()


def test_the_womens_email_works_on_one_kind_of_buyers_only(dealt: Path) -> None:
    womens, mens = read_rows(dealt / WOMENS_FILE), read_rows(dealt / MENS_FILE)
    assert plain_difference(womens, "Womens E-Mail").estimate == pytest.approx(0.073, abs=0.0005)
    assert plain_difference(mens, "Womens E-Mail").estimate == pytest.approx(0.0111, abs=0.0005)

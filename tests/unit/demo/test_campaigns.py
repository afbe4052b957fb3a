"""Who is dealt into which campaign, and what the files of campaigns hold."""

import gzip
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from demo.campaigns import (
    BOTH_FILE,
    CAMPAIGNS,
    EVERYBODY,
    FIRST_CAMPAIGN,
    LATER_CAMPAIGNS,
    MENS_FILE,
    MENS_GOODS,
    WOMENS_FILE,
    WOMENS_GOODS,
    deal,
    main,
    replace,
    write,
)
from demo.difference import Rows, read_rows

HEADER = "mens,womens,segment"


def size(rows: Rows) -> int:
    return len(rows["campaign"])


def test_a_row_is_dealt_by_its_content_wherever_it_stands() -> None:
    rows = ["1,0,Womens E-Mail", "0,1,No E-Mail", "1,1,Mens E-Mail"]
    one_way = {each.line: each.drawn for each in deal([HEADER, *rows])}
    other_way = {each.line: each.drawn for each in deal([HEADER, *reversed(rows)])}
    assert one_way == other_way
    assert len(set(one_way.values())) == 3


def test_equal_rows_do_not_move_as_one() -> None:
    count = Counter(each.campaign for each in deal([HEADER, *["1,0,No E-Mail"] * 5000]))
    assert set(count) == set(range(1, CAMPAIGNS + 1))
    assert min(count.values()) > 900


def test_the_half_does_not_depend_on_the_campaign() -> None:
    customers = deal([HEADER, *["1,0,No E-Mail"] * 5000])
    for campaign in range(1, CAMPAIGNS + 1):
        half = [each.in_first_half for each in customers if each.campaign == campaign]
        assert 0.45 < sum(half) / len(half) < 0.55


def test_a_comma_within_quotes_does_not_move_the_columns() -> None:
    (customer,) = deal(["history_segment,womens", '"7) $1,000 +",1'])
    assert customer.values == {"history_segment": "7) $1,000 +", "womens": "1"}


def test_every_customer_is_in_one_of_five_campaigns_of_about_equal_size(dealt: Path) -> None:
    first, later = read_rows(dealt / FIRST_CAMPAIGN), read_rows(dealt / LATER_CAMPAIGNS)
    assert size(first) + size(later) == 64_000
    count = Counter([*first["campaign"], *later["campaign"]])
    assert set(count) == set(EVERYBODY.campaigns)
    assert set(first["campaign"]) == {"campaign-1"}
    assert all(abs(each - 12_800) < 350 for each in count.values())  # 3.5 standard deviations


def test_womens_campaigns_go_to_half_of_the_buyers_of_womens_goods(dealt: Path) -> None:
    rows = read_rows(dealt / WOMENS_FILE)
    assert set(rows["campaign"]) == set(WOMENS_GOODS.campaigns)
    assert set(rows["segment"]) == {"Womens E-Mail", "No E-Mail"}
    assert set(rows["womens"]) == {1}
    buyers = read_rows(dealt / "hillstrom.csv.gz")
    all_of_them = np.count_nonzero((buyers["womens"] == 1) & (buyers["segment"] != "Mens E-Mail"))
    assert size(rows) / all_of_them == pytest.approx(0.5, abs=0.01)


def test_mens_campaigns_go_to_those_who_bought_nothing_else(dealt: Path) -> None:
    rows = read_rows(dealt / MENS_FILE)
    assert set(rows["campaign"]) == set(MENS_GOODS.campaigns)
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


def test_new_rows_take_the_place_of_a_file_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"old")
    (tmp_path / "new").write_bytes(b"new")
    with (tmp_path / "old").open("rb") as reader:
        replace(tmp_path, "old", "new")
        assert reader.read() == b"old"  # whoever reads goes on with the file that was opened
    assert (tmp_path / "old").read_bytes() == b"new"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["new", "old"]


def test_without_a_folder_the_program_says_how_it_is_called(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["campaigns"])
    assert main() == 2
    assert "python -m demo.campaigns FOLDER" in capsys.readouterr().out

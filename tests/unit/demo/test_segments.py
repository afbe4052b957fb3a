"""The questions of the burst: which segments there are, and who is in them."""

from pathlib import Path

from demo.campaigns import ALL_CAMPAIGNS
from demo.difference import plain_difference, read_rows
from demo.manifests import Model, Question
from demo.segments import COMPARISONS, EVERYBODY, manifests, questions, segments

FEATURES = 6  # kinds of goods count as one
HILLSTROM = Model("segment", "No E-Mail", "visit")


def test_each_comparison_is_asked_once_in_each_segment() -> None:
    asked = questions()
    assert len(asked) == len(segments()) * len(COMPARISONS)
    assert len({str(each["spec"]) for each in asked}) == len(asked)


def test_everybody_is_asked_about_without_conditions() -> None:
    assert segments()[0] == EVERYBODY
    assert questions()[0]["spec"]["population"] == {}


def test_names_are_generated_and_the_rest_is_as_in_the_example() -> None:
    first = questions()[len(COMPARISONS)]
    assert first["metadata"]["generateName"] == "burst-"
    assert first["metadata"]["annotations"] == {"segment": "bought within 2 months"}
    assert first["spec"]["queue"] == "burst"


def test_a_pair_asks_for_both_conditions() -> None:
    pair = next(each for each in segments() if each.name == "men's goods only, Web")
    assert [str(clause) for clause in pair.clauses] == [
        "mens >= 1", "mens <= 1", "womens >= 0", "womens <= 0", "channel in Web",
    ]  # fmt: skip


def test_the_levels_of_each_feature_part_the_customers(dealt: Path) -> None:
    rows = read_rows(dealt / ALL_CAMPAIGNS)
    levels = [each for each in segments()[1:] if "," not in each.name.replace("$1,000", "")]
    got_mens = int((rows["segment"] == "Mens E-Mail").sum())
    sizes = [plain_difference(rows, HILLSTROM, Question(each.name, "Mens E-Mail", each.clauses)) for each in levels]
    assert sum(each.treated for each in sizes) == FEATURES * got_mens
    assert min(each.treated for each in sizes) > 0


def test_there_are_customers_of_each_arm_in_every_segment(dealt: Path) -> None:
    rows = read_rows(dealt / ALL_CAMPAIGNS)
    for segment in segments():
        found = plain_difference(rows, HILLSTROM, Question(segment.name, "Mens E-Mail", segment.clauses))
        assert min(found.treated, found.controls) > 0, segment.name


def test_all_questions_are_one_list() -> None:
    assert manifests().startswith('{"apiVersion": "v1", "kind": "List"')

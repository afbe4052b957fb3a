"""The questions of the burst: which segments there are, and which customers are in them."""

from pathlib import Path

from demo.campaigns import ALL_FILE
from demo.difference import plain_difference, read_rows
from demo.segments import COMPARISONS, Segment, manifests, questions, segments

FEATURES = 6  # kinds of goods count as one


def test_each_comparison_is_asked_once_in_each_segment() -> None:
    asked = questions()
    assert len(asked) == len(segments()) * len(COMPARISONS) == 630
    assert len({str(each["spec"]) for each in asked}) == len(asked)


def test_everybody_is_asked_about_without_conditions() -> None:
    assert segments()[0] == Segment("everybody")
    assert questions()[0]["spec"]["population"] == {}


def test_names_are_generated_and_the_rest_is_as_in_the_example() -> None:
    first = questions()[len(COMPARISONS)]
    assert first["metadata"]["generateName"] == "burst-"
    assert first["metadata"]["annotations"] == {"segment": "bought within 2 months"}
    assert first["spec"]["queue"] == "burst"


def test_a_pair_asks_for_both_conditions() -> None:
    pair = next(each for each in segments() if each.name == "men's goods only, Web")
    assert [(each["feature"], each["operator"], each["values"]) for each in pair.where] == [
        ("mens", "GreaterThanOrEqual", ["1"]),
        ("mens", "LessThanOrEqual", ["1"]),
        ("womens", "GreaterThanOrEqual", ["0"]),
        ("womens", "LessThanOrEqual", ["0"]),
        ("channel", "In", ["Web"]),
    ]


def test_the_levels_of_each_feature_part_the_customers(dealt: Path) -> None:
    rows = read_rows(dealt / ALL_FILE)
    levels = [each for each in segments()[1:] if "," not in each.name.replace("$1,000", "")]
    sizes = [plain_difference(rows, "Mens E-Mail", each.where).treated for each in levels]
    assert sum(sizes) == FEATURES * int((rows["segment"] == "Mens E-Mail").sum())
    assert min(sizes) > 0


def test_there_are_customers_of_each_arm_in_every_segment(dealt: Path) -> None:
    rows = read_rows(dealt / ALL_FILE)
    for segment in segments():
        found = plain_difference(rows, "Mens E-Mail", segment.where)
        assert min(found.treated, found.controls) > 0, segment.name


def test_all_questions_are_one_list() -> None:
    assert manifests().startswith('{"apiVersion": "v1", "kind": "List"')

"""Labels that a reader takes for the same are found, and shown so that their difference can be seen."""

import time

import pytest

from twin_operator.domain.table.look_alikes import LookAlikes, look_alikes, spelled_apart

CREDIT = "cr\u00e9dit"
DECOMPOSED = "cre\u0301dit"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("mail", "mail\u200b"),
        ("mail", "ma\u200cil"),
        ("mail", "ma\u200dil"),
        ("mail", "\u2060mail"),
        ("mail", "\ufeffmail"),
        ("mail", "ma\u00adil"),
        ("mail", "mail \u200b"),
        (CREDIT, DECOMPOSED),
        ("Stra\u00dfe", "STRASSE"),
        ("Mail", "mail"),
        ("1", "1.0"),
        ("-1", "-1.00"),
    ],
)
def test_labels_that_look_alike_are_a_pair(one: str, other: str) -> None:
    assert look_alikes(("control", one, other)) == LookAlikes(1, (one, other))


@pytest.mark.parametrize(
    ("one", "other"), [("mail", "mails"), ("1", "1.5"), ("1.1", "1.10"), ("1", "01"), ("a b", "ab"), ("1.0", "10")]
)
def test_labels_that_a_reader_tells_apart_are_none(one: str, other: str) -> None:
    assert look_alikes((one, other)) is None


def test_three_labels_that_look_alike_are_three_pairs() -> None:
    assert look_alikes(("MAIL", "Mail", "mail", "X", "x")) == LookAlikes(4, ("MAIL", "Mail"))


def test_the_spelling_shows_what_a_reader_cannot_see() -> None:
    assert spelled_apart("mail", "mail\u200b") == ('"mail"', '"mail\\u200b"')
    assert spelled_apart(CREDIT, DECOMPOSED) == ('"cr\\xe9dit"', '"cre\\u0301dit"')


def test_control_characters_are_never_shown_as_they_are() -> None:
    assert "".join(spelled_apart("a\x1b[31m\n", "A\x1b[31m\n")).isprintable()


def test_long_labels_are_cut_to_where_they_differ() -> None:
    first, second = spelled_apart("x" * 250 + "Y" + "z" * 99, "x" * 250 + "y" + "z" * 99)
    assert first == f'"...{"x" * 20}Y{"z" * 19}..."'
    assert first != second


def test_the_cost_is_linear_in_the_labels() -> None:
    """All pairs of a hundred thousand labels would take minutes, also where all look alike."""
    began = time.process_time()
    assert look_alikes([f"{'mail'}{chr(0x200B) * number}" for number in range(1_000)]) is not None
    assert look_alikes([f"label {number}" for number in range(100_000)]) is None
    assert time.process_time() - began < 20

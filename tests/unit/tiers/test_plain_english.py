"""The check of phrases in `make lint`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plain_english import INSTEAD, findings, texts

EXAMPLES = {
    "The operator looks at the queue.": "looks",
    "Redis was told twice.": "told",
    "The wish of the spec.": "wish",
    "Waits for a person.": "person",
    "Two runs in hand.": "in hand",
    "Reads it anew.": "anew",
    "The process beside it.": "beside",
    "Retried in vain.": "in vain",
    "Nobody approves it.": "Nobody",
    "The task is carried out.": "carried out",
    "Mend the file.": "Mend",
    "How much campaigns differ.": "campaigns",
}


@pytest.mark.parametrize(("text", "phrase"), EXAMPLES.items())
def test_a_phrase_is_found_in_any_form(text: str, phrase: str) -> None:
    assert [finding.split('"')[1] for finding in findings(text)] == [phrase]


def test_every_pattern_has_an_example() -> None:
    assert len(EXAMPLES) == len(INSTEAD)


@pytest.mark.parametrize(
    "text", ["The rows of people.", "Look up the name.", "besides", "a looking_redis", "outlook", "It looks like JSON."]
)
def test_other_words_and_meanings_are_allowed(text: str) -> None:
    assert findings(text) == []


def test_strings_and_comments_of_python_are_read_and_names_are_not(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text('told = """One\ntwo."""  # three\n')
    assert list(texts(file)) == [(1, '"""One'), (2, 'two."""'), (2, "# three")]


def test_every_line_of_other_files_is_read(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text("one\ntwo\n")
    assert list(texts(file)) == [(1, "one"), (2, "two")]

"""Bad records are counted each time, and logged once by their key."""

from __future__ import annotations

import pytest

from twin_operator.adapters.redis_queue import bad_records
from twin_operator.adapters.redis_queue.bad_records import BadRecords, RecordKind


def test_a_key_is_logged_once_and_counted_each_time(caplog: pytest.LogCaptureFixture) -> None:
    counted: list[str] = []
    bad = BadRecords(counted.append)
    for _ in range(3):
        bad.found(RecordKind.RUN, "twinops:run:a")
    bad.found(RecordKind.LEASE, "twinops:run:a")
    assert counted == ["run", "run", "run", "lease"]
    assert [record.getMessage() for record in caplog.records] == [
        "A record in Redis cannot be read and is dropped (run): twinops:run:a.",
        "A record in Redis cannot be read and is dropped (lease): twinops:run:a.",
    ]


@pytest.mark.parametrize("key", ["twinops:\x1b[2J\n" + "a" * 1000, b"twinops:\xff\n" + b"a" * 1000])
def test_a_key_of_a_stranger_is_one_short_line_of_the_log(caplog: pytest.LogCaptureFixture, key: str | bytes) -> None:
    BadRecords(lambda _kind: None).found(RecordKind.RUN, key)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.isprintable()
    assert line.isascii()
    assert len(line) < 300


def test_what_is_remembered_of_keys_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bad_records, "MOST_LOGGED", 2)
    bad = BadRecords(lambda _kind: None)
    for number in range(5):
        bad.found(RecordKind.RUN, str(number))
    assert len(bad._logged) == 2  # noqa: SLF001 - memory has no other sign

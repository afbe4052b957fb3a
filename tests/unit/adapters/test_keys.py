"""Records of runs, reports and delivered messages: read as they were written, and bad ones told from sound ones."""

from __future__ import annotations

import pytest

from twin_operator.adapters.redis_queue import keys
from twin_operator.adapters.redis_queue.bad_records import BadRecord
from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.services.runs.run import BoundVersion, Event, Outcome, Report, Run, Stop, Target, Task, TaskKind

TARGET = Target("TwinModel", "team-a", "checkout.v2", "0a1b")
TASK = Task("0a1b-train-1", TaskKind.TRAIN, "training", TARGET, 3, {})
SOUND = {
    b"attempts": b"2",
    b"queued": b"1.5",
    b"started": b"2",
    b"finished": b"1.77e9",
    b"worker": b"pod-1",
    b"lease": b"token",
    b"lease_until": b"30",
    b"stop": b"suspended",
    b"error": "na\u00efve".encode(),
    b"failed": b"3",
    b"registeredModel": b"team-a.checkout",
    b"version": b"7",
    b"runID": b"",
    b"outcome": b'{"reason": "Succeeded", "message": "done", "value": {"effect": 1}}',
}


def test_a_record_is_read_as_it_was_written() -> None:
    assert keys.read_run(SOUND, 20) == Run(
        attempts=2,
        queued=1.5,
        started=2,
        finished=1.77e9,
        worker="pod-1",
        leased=True,
        stop=Stop.SUSPENDED,
        error="na\u00efve",
        failed=3,
        bound=BoundVersion("team-a.checkout", "7", None),
        outcome=Outcome(Reason.SUCCEEDED, "done", {"effect": 1}),
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (b"attempts", b"many"),
        (b"attempts", b"-1"),
        (b"attempts", b"1e3"),
        (b"attempts", b"1" * 10),
        *((field, value) for field in (b"queued", b"started", b"finished", b"failed", b"lease_until") for value in (
            b"soon", b"nan", b"inf", b"-1", b"1e18", b"",
        )),
        (b"worker", b"\xff"),
        (b"error", b"\xff"),
        (b"\xff", b"x"),
        (b"stop", b"now"),
        (b"outcome", b"{"),
        (b"outcome", b"[]"),
        (b"outcome", b'{"reason": "Succeeded", "message": "done"}'),
        (b"outcome", b'{"reason": "Succeeded", "message": 1, "value": {}}'),
        (b"outcome", b'{"reason": "Succeeded", "message": "done", "value": []}'),
    ],
)  # fmt: skip
def test_a_record_with_a_field_that_nobody_here_writes_is_bad(field: bytes, value: bytes) -> None:
    with pytest.raises(BadRecord):
        keys.read_run({**SOUND, field: value}, 20)


def test_a_record_with_a_version_and_no_model_is_bad() -> None:
    with pytest.raises(BadRecord):
        keys.read_run({b"version": b"7"}, 20)


@pytest.mark.parametrize("kind", sorted(keys.TARGETS))
def test_a_report_is_read_as_it_was_written(kind: str) -> None:
    task = Task(TASK.run, TASK.kind, TASK.queue, Target(kind, "team-a", "checkout.v2", "0a1b"), 3, {})
    read = keys.read_report("1-1", keys.write_report(Event.EXHAUSTED, task))
    assert read == Report("1-1", Event.EXHAUSTED, TASK.run, TaskKind.TRAIN, task.target)


@pytest.mark.parametrize("name", ["..", ".", "a/b", "../a", "a%2fb", "a?b", "a#b", "A", "", "a\n", "-a", "a."])
@pytest.mark.parametrize("field", ["namespace", "name", "uid"])
def test_a_report_of_a_name_that_kubernetes_does_not_have_is_bad(field: str, name: str) -> None:
    target = Target(**{"kind": "Simulation", "namespace": "n", "name": "s", "uid": "u", field: name})
    content = keys.write_report(Event.RECORDED, Task("r", TaskKind.SIMULATE, "q", target, 1, {}))
    with pytest.raises(BadRecord):
        keys.read_report("1-1", content)


@pytest.mark.parametrize(
    "content", [b"nonsense", b"[1]", b"{}", b"[1, 2, 3]", b'[{}, "", 3]', b'["", "", "q"]', b"\xff"]
)
def test_a_delivered_message_that_kombu_did_not_write_is_bad(content: bytes) -> None:
    with pytest.raises(BadRecord):
        keys.read_delivered(content)


def test_a_delivered_message_has_its_queue() -> None:
    assert keys.read_delivered(b'[{"body": ""}, "", "training"]') == (b'{"body":""}', "training")

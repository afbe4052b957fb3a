"""What a worker lets in: exactly what the operator writes; everything else has a reason."""

from __future__ import annotations

import json
import pickle
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.adapters.messages import KEY, OTHER_KEY, body_of, changed, task, without, written
from twin_operator.adapters.redis_queue.delivery import Check, Reason
from twin_operator.adapters.redis_queue.keys import PUBLISHED_AT
from twin_operator.adapters.redis_queue.message import SIGNATURE_HEADER, SignedFields, Signing, run_of
from twin_operator.services.runs.run import TaskKind

DAY = 86_400
SIGNED = Check(Signing(KEY), DAY)
UNSIGNED = Check(None, DAY)


def reason(message: bytes, check: Check = SIGNED, queue: str = "simulations", later: float = 0) -> str | None:
    refusal = check.refusal(message, queue, time.time() + later)
    return refusal.reason if refusal else None


def signed_by_hand(body: bytes, task_name: str = "twinops.simulate") -> bytes:
    """Return a message with a valid signature over what the operator would not write."""
    message = changed(changed(written(), "body", value=body_of(body)), "headers", "task", value=task_name)
    fields = SignedFields("run-1", task_name, 0, "simulations", body)
    return changed(message, "headers", SIGNATURE_HEADER, value=Signing(KEY).sign(fields, int(time.time())))


@pytest.mark.parametrize("kind", list(TaskKind))
def test_what_the_operator_writes_is_let_in(kind: TaskKind) -> None:
    assert reason(written(task(kind=kind))) is None
    assert reason(written(task(kind=kind), key=None), UNSIGNED) is None


def test_without_a_key_a_signature_is_not_looked_at() -> None:
    assert reason(written(key=OTHER_KEY), UNSIGNED) is None


def test_a_message_that_came_back_is_still_sound() -> None:
    message = changed(written(), "headers", "redelivered", value=True)
    assert reason(changed(message, "properties", "delivery_info", "redelivered", value=True)) is None


def test_trace_headers_may_be_added() -> None:
    assert reason(changed(written(), "headers", "traceparent", value="00-0af7651916cd43dd-b7ad6b-01")) is None


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b"{{{", Reason.UNDECODABLE),
        (b"\xff\xfe", Reason.UNDECODABLE),
        (b"[]", Reason.NOT_A_TASK),
        (b"{}", Reason.NOT_A_TASK),
        (without(written(), "properties"), Reason.NOT_A_TASK),
        (without(written(), "properties", "delivery_tag"), Reason.NOT_A_TASK),
        (without(written(), "headers", "id"), Reason.NOT_A_TASK),
        (without(written(), "headers", "task"), Reason.NOT_A_TASK),
        (changed(written(), "body", value=None), Reason.NOT_A_TASK),
        (changed(written(), "body", value="?!"), Reason.UNDECODABLE),
        (changed(written(), "content-type", value="application/x-python-serialize"), Reason.CONTENT_TYPE),
        (changed(written(), "content-encoding", value="binary"), Reason.CONTENT_TYPE),
        (changed(written(), "properties", "delivery_info", "exchange", value="e"), Reason.NOT_A_TASK),
        (changed(written(), "headers", "eta", value="2030-01-01T00:00:00"), Reason.NOT_A_TASK),
        (changed(written(), "headers", "timelimit", value=[1, 1]), Reason.NOT_A_TASK),
        (changed(written(), "headers", "compression", value="application/x-gzip"), Reason.NOT_A_TASK),
        (changed(written(), "headers", "x", value={"__type__": "datetime", "__value__": "x"}), Reason.NOT_A_TASK),
        (without(written(), "headers", SIGNATURE_HEADER), Reason.UNSIGNED),
        (changed(written(), "headers", SIGNATURE_HEADER, value=7), Reason.UNSIGNED),
        (changed(written(), "headers", SIGNATURE_HEADER, value="v1:"), Reason.FORGED),
        (written(key=OTHER_KEY), Reason.FORGED),
        (changed(written(), "headers", "id", value="run-2"), Reason.FORGED),
        (changed(written(), "headers", "task", value="twinops.train"), Reason.FORGED),
        (changed(written(), "headers", "retries", value=1), Reason.FORGED),
        (changed(written(), "body", value=body_of(b"[]")), Reason.FORGED),
        (signed_by_hand(b"[[{}], {}, {}]", "twinops.format_disk"), Reason.UNKNOWN_TASK),
        (signed_by_hand(b"{"), Reason.UNDECODABLE),
        (signed_by_hand(b'"text"'), Reason.NOT_A_TASK),
        (signed_by_hand(b"[[{}], {}, {}]"), Reason.NOT_A_TASK),
        (signed_by_hand(b'[[1], {}, {"callbacks": ["x"]}]'), Reason.NOT_A_TASK),
        (signed_by_hand(pickle.dumps([])), Reason.UNDECODABLE),
    ],
)
def test_what_strangers_write_is_turned_away(message: bytes, expected: Reason) -> None:
    assert reason(message) == expected


def test_a_message_is_bound_to_its_queue() -> None:
    assert reason(written(), queue="trials") == Reason.FORGED
    moved = changed(written(), "properties", "delivery_info", "routing_key", value="trials")
    assert reason(moved, queue="trials") == Reason.FORGED
    assert reason(written(key=None), UNSIGNED, queue="trials") == Reason.MISPLACED
    assert reason(moved) == Reason.MISPLACED  # it would go astray when its visibility timeout passes


def test_follow_ups_of_celery_are_turned_away_without_a_key_too() -> None:
    arguments = [[task().to_json()], {}, {"callbacks": [{"task": "twinops.train"}]}]
    message = changed(written(key=None), "body", value=body_of(json.dumps(arguments).encode()))
    assert reason(message, UNSIGNED) == Reason.NOT_A_TASK


def test_headers_of_another_run_are_turned_away_without_a_key_too() -> None:
    assert reason(changed(written(key=None), "headers", "id", value="run-2"), UNSIGNED) == Reason.NOT_A_TASK


def test_a_message_is_not_played_again_when_the_record_of_its_run_may_be_gone() -> None:
    assert reason(written(), later=DAY - 60) is None
    assert reason(written(), later=DAY + 60) == Reason.OUTDATED


def test_a_message_without_a_signature_is_not_older_than_the_stop_of_its_run_either() -> None:
    message = written(key=None)
    assert reason(message, UNSIGNED, later=DAY - 60) is None
    assert reason(message, UNSIGNED, later=DAY + 60) == Reason.OUTDATED
    assert reason(without(message, "headers", PUBLISHED_AT), UNSIGNED, later=DAY + 60) is None


def test_the_refusal_names_the_run_where_the_message_does() -> None:
    refusal = SIGNED.refusal(written(key=OTHER_KEY), "simulations", 0)
    assert refusal is not None
    assert refusal.run == "run-1"
    steering = SIGNED.refusal(written(task("a\n\x1b[2J"), key=OTHER_KEY), "simulations", 0)
    assert steering is not None
    assert steering.run == r"a\n\x1b[2J"
    nobody = SIGNED.refusal(b"{}", "simulations", 0)
    assert nobody is not None
    assert nobody.run is None


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda x: st.lists(x) | st.dictionaries(st.text(max_size=3), x),
)


@given(JUNK, st.sampled_from(["body", "headers", "properties", "content-type", "content-encoding"]))
def test_no_junk_in_any_field_is_let_in_or_raises(junk: object, field: str) -> None:
    assert reason(changed(written(), field, value=junk)) is not None


@given(st.binary(max_size=200))
def test_no_bytes_are_let_in_or_raise(junk: bytes) -> None:
    assert reason(junk) is not None
    assert reason(junk, UNSIGNED) is not None


@pytest.mark.parametrize("message", [b"{{{", b"[]", b"7", b"{}", b'{"headers": []}', b'{"headers": null}'])
def test_what_is_no_message_is_of_no_run(message: bytes) -> None:
    assert run_of(message) is None

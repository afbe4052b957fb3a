"""What a message says of its trace, and its signature: it fits one message, and no field runs into the next."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.adapters.messages import KEY, OTHER_KEY
from twin_operator.adapters.redis_queue.message import Forged, Messages, SignedFields, Signing, target_of
from twin_operator.services.runs.run import Target, Task, TaskKind
from twin_operator.services.runs.tracing import run_trace, traceparent_of

FIELDS = SignedFields(id="run-1", task="twinops.train", attempt=0, queue="training", body=b'[["x"], {}, {}]')
MOMENT = 1_800_000_000
TEXTS = st.text(max_size=12)
TRACE = run_trace("u", "u", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
TASK = Task("u", TaskKind.SIMULATE, "simulations", Target("Simulation", "n", "s", "u"), 4, {}, trace=TRACE)


def test_what_was_signed_is_verified_and_dated() -> None:
    signing = Signing(KEY)
    assert signing.verify(signing.sign(FIELDS, MOMENT), FIELDS) == MOMENT


def test_the_code_is_the_hmac_of_the_fields_behind_their_lengths() -> None:
    text = b""
    for field in (b"v1", b"run-1", b"twinops.train", b"0", b"training", b"1800000000", FIELDS.body):
        text += len(field).to_bytes(8, "big") + field
    expected = hmac.new(KEY, text, hashlib.sha256).hexdigest()
    assert Signing(KEY).sign(FIELDS, MOMENT).split(":")[3] == expected


@pytest.mark.parametrize(
    "change",
    [{"id": "run-2"}, {"task": "twinops.gate"}, {"attempt": 1}, {"queue": "trials"}, {"body": b"[]"}],
    ids=lambda change: next(iter(change)),
)
def test_another_field_is_forged(change: dict[str, Any]) -> None:
    signing = Signing(KEY)
    with pytest.raises(Forged, match="does not fit"):
        signing.verify(signing.sign(FIELDS, MOMENT), replace(FIELDS, **change))


def test_another_moment_is_forged() -> None:
    signing = Signing(KEY)
    signature = signing.sign(FIELDS, MOMENT).replace(str(MOMENT), str(MOMENT + 1))
    with pytest.raises(Forged, match="does not fit"):
        signing.verify(signature, FIELDS)


@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_no_two_messages_share_a_code(one: str, two: str, three: str, four: str) -> None:
    signing = Signing(KEY)
    first, second = SignedFields(one, two, 0, "q", b""), SignedFields(three, four, 0, "q", b"")
    assert (signing.sign(first, 0) == signing.sign(second, 0)) == (first == second)


def test_a_key_that_nobody_knows_is_forged() -> None:
    with pytest.raises(Forged, match="not known here"):
        Signing(KEY).verify(Signing(OTHER_KEY).sign(FIELDS, MOMENT), FIELDS)


def test_the_previous_key_is_accepted_and_does_not_sign() -> None:
    rotated = Signing(KEY, previous=OTHER_KEY)
    assert rotated.verify(Signing(OTHER_KEY).sign(FIELDS, MOMENT), FIELDS) == MOMENT
    assert rotated.sign(FIELDS, MOMENT) == Signing(KEY).sign(FIELDS, MOMENT)


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "v1",
        "v0:00000000:1:" + "0" * 64,
        "v1:xyz:1:" + "0" * 64,
        "v1:00000000:-1:" + "0" * 64,
        "v1:00000000:\u0661:00",
    ],
)
def test_what_is_no_signature_is_forged(signature: str) -> None:
    with pytest.raises(Forged):
        Signing(KEY).verify(signature, FIELDS)


def test_the_trace_stands_in_the_headers_where_instrumentation_of_celery_looks_for_it() -> None:
    _, content = Messages().write(TASK)
    assert orjson.loads(content)["headers"]["traceparent"] == traceparent_of(TRACE.context)


def test_the_body_is_the_same_with_and_without_a_trace() -> None:
    bodies = [orjson.loads(Messages().write(task)[1])["body"] for task in (TASK, replace(TASK, trace=None))]
    assert bodies[0] == bodies[1]
    (task,), *_ = orjson.loads(base64.b64decode(bodies[0]))
    assert Task.from_json(task) == replace(TASK, trace=None)


def test_a_task_without_a_trace_names_none() -> None:
    _, content = Messages().write(replace(TASK, trace=None))
    assert "traceparent" not in orjson.loads(content)["headers"]


@pytest.mark.parametrize(
    "change",
    [{}, {"uid": 7}, {"uid": ""}, {"namespace": ["shop"]}, {"name": None}, {"name": "../../secrets"}, {"more": "x"}],
    ids=str,
)
def test_what_a_message_names_is_an_object_only_where_one_can_be_called_so(change: dict[str, Any]) -> None:
    _key, message = Messages(None).write(TASK)
    envelope = orjson.loads(message)
    body = orjson.loads(base64.b64decode(envelope["body"]))
    body[0][0]["target"] |= change
    forged = orjson.dumps({**envelope, "body": base64.b64encode(orjson.dumps(body)).decode()})
    assert target_of(forged) == (None if change else TASK.target)


@pytest.mark.parametrize("message", [b"{{{", b"[]", b"{}", b'{"body": "W10="}', b'{"body": 5}'])
def test_what_is_no_message_of_ours_names_no_object(message: bytes) -> None:
    assert target_of(message) is None

"""What a message says of its trace."""

from __future__ import annotations

import base64
from dataclasses import replace

import orjson

from twin_operator.adapters.redis_queue.message import Messages
from twin_operator.services.runs.run import Target, Task, TaskKind
from twin_operator.services.runs.tracing import run_trace, traceparent_of

TRACE = run_trace("u", "u", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
TASK = Task("u", TaskKind.SIMULATE, "simulations", Target("Simulation", "n", "s", "u"), 4, {}, trace=TRACE)


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

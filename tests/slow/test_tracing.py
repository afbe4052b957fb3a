"""A trace goes from an annotation through operator, message and worker to status, log lines and a collector."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from tests.integration.journey.campaign import model_spec, question
from tests.integration.journey.platform_fixture import Platform, Program
from tests.otlp_collector import Collector, Received, collector
from twin_operator.adapters.redis_queue.keys import queue_key

CALLER = "b7ad6b7169203331"
FAST = {"OTEL_BSP_SCHEDULE_DELAY": "200"}  # milliseconds until a batch is sent


def traceparent(trace_id: str) -> str:
    return f"00-{trace_id}-{CALLER}-01"


def restart(platform: Platform, changes: dict[str, str]) -> None:
    for program in programs(platform):
        program.stop()
        kept = {key: value for key, value in program.environment.items() if not key.startswith("OTEL_")}
        program.environment = {**kept, **changes}
        program.start()


def programs(platform: Platform) -> list[Program]:
    return [platform.operator, *platform.workers.values()]


@pytest.fixture(scope="module")
def traced(trained: Platform) -> Iterator[tuple[Platform, Collector]]:
    """The platform, sending spans to a collector."""
    with collector() as kept:
        restart(trained, {"OTEL_EXPORTER_OTLP_ENDPOINT": kept.endpoint, **FAST})
        yield trained, kept
        restart(trained, {})


def ask(platform: Platform, kind: str, name: str, spec: dict[str, Any], header: str | None = None) -> None:
    body = platform.manifest(kind, name, spec)
    if header is not None:
        body["metadata"]["annotations"] = {"twinops.dev/traceparent": header}
    platform.kube.apply(body)


def spans_of(platform: Platform, kept: Collector, trace_id: str, count: int) -> dict[str, Received]:
    platform.kube.until(lambda: len(kept.of(trace_id)) >= count)
    return {span.name: span for span in kept.of(trace_id)}


def lines(program: Program, trace_id: str) -> list[str]:
    return [line for line in program.log.read_text().splitlines() if f"trace_id={trace_id}" in line]


def test_a_question_is_one_trace_from_its_caller_over_operator_and_worker_to_status(
    traced: tuple[Platform, Collector],
) -> None:
    platform, kept = traced
    trace_id = "3" * 32
    ask(platform, "Simulation", "traced", question(), traceparent(trace_id))
    body = platform.until_phase("Simulation", "traced", "Succeeded")
    assert body["status"]["traceID"] == trace_id
    spans = spans_of(platform, kept, trace_id, 3)
    whole, published, processed = spans["Simulation"], spans["publish simulations"], spans["process simulations"]
    assert [whole.parent, published.parent, processed.parent] == [CALLER, whole.span_id, published.span_id]
    assert [whole.kind, published.kind, processed.kind] == ["INTERNAL", "PRODUCER", "CONSUMER"]
    assert [span.service for span in (whole, published, processed)] == [
        "twin-operator",
        "twin-operator",
        "twin-operator-worker",
    ]
    assert (processed.attributes["twinops.run"], processed.attributes["twinops.attempt"]) == (
        body["metadata"]["uid"],
        1,
    )
    assert whole.seconds > processed.seconds
    assert whole.events == ("queued", "started", "finished")
    for program in (platform.operator, platform.workers["light"]):
        assert lines(program, trace_id)
    assert f"span_id={processed.span_id}" in lines(platform.workers["light"], trace_id)[-1]


def test_a_training_is_a_trace_with_its_progress(traced: tuple[Platform, Collector]) -> None:
    platform, kept = traced
    trace_id = "4" * 32
    spec = model_spec(f"file://{platform.data}/campaign.csv")
    ask(platform, "TwinModel", "traced", spec, traceparent(trace_id))
    assert platform.until_phase("TwinModel", "traced", "Ready")["status"]["traceID"] == trace_id
    spans = spans_of(platform, kept, trace_id, 3)
    assert spans["process training"].parent == spans["publish training"].span_id
    assert spans["publish training"].parent == spans["TwinModel"].span_id
    assert "Checks" in spans["process training"].events
    ask(
        platform,
        "RetrainingJob",
        "traced",
        {"modelRef": {"name": "traced"}, "approval": {"approved": True, "by": "me"}},
    )
    job = platform.until_phase("RetrainingJob", "traced", "Completed")
    spans = spans_of(platform, kept, job["status"]["traceID"], 5)
    assert {spans[name].parent for name in ("publish training", "publish validation")} == {
        spans["RetrainingJob"].span_id
    }


def test_a_question_that_cannot_be_answered_is_an_error(traced: tuple[Platform, Collector]) -> None:
    platform, kept = traced
    where = {"where": [{"feature": "region", "operator": "In", "values": ["Nowhere"]}]}
    ask(platform, "Simulation", "astray", question(population=where), traceparent("5" * 32))
    platform.until_phase("Simulation", "astray", "Failed")
    spans = spans_of(platform, kept, "5" * 32, 3)
    assert "UnknownLevel" in (spans["process simulations"].error or "")
    assert spans["Simulation"].error


def test_a_worker_that_is_told_to_end_sends_what_it_has(traced: tuple[Platform, Collector]) -> None:
    platform, kept = traced
    light = platform.workers["light"]
    light.stop()
    light.environment["OTEL_BSP_SCHEDULE_DELAY"] = "600000"
    light.start()
    ask(platform, "Simulation", "last", question(), traceparent("6" * 32))
    platform.until_phase("Simulation", "last", "Succeeded")
    assert "process simulations" not in {span.name for span in kept.of("6" * 32)}
    light.stop()
    assert "process simulations" in {span.name for span in kept.of("6" * 32)}
    light.environment.update(FAST)
    light.start()


def test_a_message_that_waits_names_the_trace(traced: tuple[Platform, Collector]) -> None:
    platform, kept = traced
    ask(platform, "Simulation", "parked-trace", question(queue="parked-traces"), traceparent("7" * 32))
    with Redis.from_url(platform.redis_url) as redis:
        (message,) = platform.kube.until(lambda: redis.lrange(queue_key("parked-traces", 4), 0, -1))
    published = spans_of(platform, kept, "7" * 32, 1)["publish parked-traces"]
    assert f'"traceparent":"00-{"7" * 32}-{published.span_id}-01"'.encode() in message
    platform.kube.kubectl("delete", "simulation", "parked-trace", "-n", platform.namespace)
    with Redis.from_url(platform.redis_url) as redis:
        redis.delete(queue_key("parked-traces", 4))

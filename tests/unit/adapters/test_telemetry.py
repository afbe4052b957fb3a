"""Spans as a collector receives them, by the real protocol."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.trace import SpanContext, SpanKind, format_span_id

import twin_operator
from tests.otlp_collector import Collector, collector
from twin_operator.adapters.telemetry import OtlpTracer
from twin_operator.services.runs.tracing import NoTracer, RunTrace, Span, SpanEvent, run_trace, span_context
from twin_operator.settings import Settings
from twin_operator.wiring.tracing import TracingRefused, build_tracer

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = span_context(int(TRACE, 16), 0xB7AD6B7169203331, sampled=True)
OWN = span_context(PARENT.trace_id, 0x00F067AA0BA902B7, sampled=True)


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector, named in the environment."""
    with collector() as kept:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", kept.endpoint)
        yield kept


def hexadecimal(context: SpanContext) -> str:
    return format_span_id(context.span_id)


def span(context: SpanContext, parent: SpanContext | None, error: str | None = None) -> Span:
    return Span(
        name="process simulations",
        context=context,
        parent=parent,
        start=1_000.0,
        end=1_002.5,
        kind=SpanKind.CONSUMER,
        attributes={"twinops.attempt": 2, "messaging.system": "celery"},
        error=error,
        events=(SpanEvent("Checks", 1_001.0, {"twinops.share": 0.5}),),
    )


def test_a_span_arrives_with_its_own_identity_under_its_parent(received: Collector) -> None:
    tracer = OtlpTracer("twin-operator", "pod-1")
    tracer.record(span(OWN, PARENT, error="It failed."))
    tracer.flush()
    (found,) = received.spans
    assert (found.trace_id, found.span_id, found.parent) == (TRACE, hexadecimal(OWN), hexadecimal(PARENT))
    assert (found.service, found.name, found.kind) == ("twin-operator", "process simulations", "CONSUMER")
    assert (found.seconds, found.error, found.events) == (2.5, "It failed.", ("Checks",))
    assert found.attributes == {"twinops.attempt": 2, "messaging.system": "celery"}


def test_the_first_span_of_a_trace_has_no_parent(received: Collector) -> None:
    tracer = OtlpTracer("twin-operator", "pod-1")
    tracer.record(span(OWN, None))
    tracer.flush()
    (found,) = received.spans
    assert (found.trace_id, found.span_id, found.parent, found.error) == (TRACE, hexadecimal(OWN), "", None)


def test_the_environment_names_the_service(received: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "campaigns")
    tracer = OtlpTracer("twin-operator", "pod-1")
    tracer.record(span(OWN, None))
    tracer.flush()
    assert [found.service for found in received.spans] == ["campaigns"]


def test_a_ratio_decides_for_traces_of_ones_own_and_callers_for_theirs(
    received: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.25")
    tracer = OtlpTracer("twin-operator", "pod-1")
    own = [run_trace(f"uid-{number}", "run", None) for number in range(2000)]
    kept = [trace for trace in own if tracer.sampled(trace)]
    assert len(kept) / len(own) == pytest.approx(0.25, abs=0.04)
    assert tracer.sampled(RunTrace(OWN, PARENT))
    assert not tracer.sampled(RunTrace(OWN, span_context(PARENT.trace_id, PARENT.span_id, sampled=False)))
    for trace in own[:200]:
        tracer.record(span(trace.context, trace.parent))
    tracer.flush()
    expected = {trace.trace_id for trace in own[:200]} & {trace.trace_id for trace in kept}
    assert {found.trace_id for found in received.spans} == expected


LONGEST_WAIT = 60  # seconds for what takes three: spans that waited for a collector one by one would take minutes


def test_a_collector_that_is_down_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    tracer = OtlpTracer("twin-operator", "pod-1")
    start = time.monotonic()
    for _ in range(100):
        tracer.record(span(OWN, None))
    tracer.flush()
    assert time.monotonic() - start < LONGEST_WAIT


def test_a_protocol_that_is_not_spoken_is_refused_in_a_sentence(
    received: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    with pytest.raises(TracingRefused, match=r"OTEL_EXPORTER_OTLP_PROTOCOL is grpc, .*4318"):
        build_tracer(Settings(), "twin-operator")
    assert received.spans == []


@pytest.mark.parametrize(
    "environment", [{}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "true"}]
)
def test_without_an_endpoint_nothing_is_recorded(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert isinstance(build_tracer(Settings(), "twin-operator"), NoTracer)


LOADED = """
import sys
import celery, redis.asyncio  # the client of Redis has metrics of its own, and looks whether OpenTelemetry is there
before = set(sys.modules)
import twin_operator.adapters.redis_queue.broker, twin_operator.services.runs.spans, twin_operator.worker.tasks
from twin_operator.settings import Settings
from twin_operator.wiring.tracing import build_tracer
build_tracer(Settings(), "twin-operator")
print(*sorted(name for name in set(sys.modules) - before if name.startswith("opentelemetry.")))
"""


def test_without_an_endpoint_neither_sdk_nor_exporter_is_imported() -> None:
    quiet = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    answer = subprocess.run([sys.executable, "-c", LOADED], env=quiet, capture_output=True, text=True, check=True)
    imported = answer.stdout.split()
    assert "opentelemetry.trace.propagation.tracecontext" in imported
    assert not [name for name in imported if ".sdk" in name or ".exporter" in name]


def test_only_one_module_knows_the_sdk_and_only_one_function_imports_that() -> None:
    package = Path(twin_operator.__file__).parent
    sources = {str(path.relative_to(package)): path.read_text() for path in package.rglob("*.py")}
    sdk = re.compile(r"(from|import) opentelemetry\.(sdk|exporter)")
    assert [name for name, text in sources.items() if sdk.search(text)] == ["adapters/telemetry.py"]
    users = {name: text for name, text in sources.items() if "adapters.telemetry import" in text}
    assert list(users) == ["wiring/tracing.py"]
    assert "\n    from twin_operator.adapters.telemetry import" in users["wiring/tracing.py"]

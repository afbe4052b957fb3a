"""OpenTelemetry: sends spans by OTLP over HTTP. Imported only where an endpoint is configured.

The SDK reads its own environment (`OTEL_*`): endpoint, headers, certificates, sampler, batches, limits, resource.
"""

import logging
import threading
from typing import Final

from opentelemetry import context as otel_context
from opentelemetry import trace as otel
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Decision

from twin_operator.services.runs.trace_context import RunTrace, TraceContext
from twin_operator.services.runs.tracing import Span, SpanKind

logger = logging.getLogger(__name__)
FLUSH_SECONDS: Final = 3.0  # a collector that is down must not hold up the end of a process
NANOSECONDS: Final = 1e9
KINDS: Final = {kind: otel.SpanKind[kind.name] for kind in SpanKind}


class _GivenIds(IdGenerator):
    """Gives a span the identities that it has already: they stood in messages before it was recorded."""

    def __init__(self) -> None:
        self.next = TraceContext("0" * 32, "0" * 16)

    def generate_trace_id(self) -> int:
        return int(self.next.trace_id, 16)

    def generate_span_id(self) -> int:
        return int(self.next.span_id, 16)


class OtlpTracer:
    """Records spans in batches, from a thread of its own; make it in the process that uses it, after any fork.

    Args:
        service: name of the service, where `OTEL_SERVICE_NAME` says no other.
        instance: which process of it.
    """

    def __init__(self, service: str, instance: str) -> None:
        usual = Resource.create({"service.name": service, "service.instance.id": instance})
        resource = usual.merge(OTELResourceDetector().detect())  # the environment has the last word
        self._ids = _GivenIds()
        self._lock = threading.Lock()
        self._provider = TracerProvider(resource=resource, id_generator=self._ids)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("twin_operator")

    def sampled(self, trace: RunTrace) -> bool:
        """Ask the sampler that `OTEL_TRACES_SAMPLER` names."""
        around = _around(trace.parent)
        result = self._provider.sampler.should_sample(around, int(trace.context.trace_id, 16), "")
        return result.decision is Decision.RECORD_AND_SAMPLE

    def record(self, span: Span) -> None:
        """Queue a span to be sent; what the sampler or a full queue refuses is dropped."""
        with self._lock:
            self._ids.next = span.context
            recorded = self._tracer.start_span(
                span.name,
                context=_around(span.parent),
                kind=KINDS[span.kind],
                attributes=dict(span.attributes),
                start_time=_nanoseconds(span.start),
            )
        for event in span.events:
            recorded.add_event(event.name, dict(event.attributes), _nanoseconds(event.time))
        if span.error is not None:
            recorded.set_status(otel.StatusCode.ERROR, span.error)
        recorded.end(_nanoseconds(max(span.start, span.end)))

    def flush(self) -> None:
        """Send what is queued; give up after a few seconds."""
        sending = threading.Thread(target=self._provider.force_flush, name="flush of spans", daemon=True)
        sending.start()
        sending.join(FLUSH_SECONDS)
        if sending.is_alive():
            logger.warning("Spans are lost: the collector did not take them within %.0f s.", FLUSH_SECONDS)


def _around(parent: TraceContext | None) -> otel_context.Context:
    """Return the context of a span's parent, which another process may have recorded; an empty one without."""
    if parent is None:
        return otel_context.Context()
    flags = otel.TraceFlags(otel.TraceFlags.SAMPLED if parent.sampled else otel.TraceFlags.DEFAULT)
    known = otel.SpanContext(int(parent.trace_id, 16), int(parent.span_id, 16), is_remote=True, trace_flags=flags)
    return otel.set_span_in_context(otel.NonRecordingSpan(known), otel_context.Context())


def _nanoseconds(seconds: float) -> int:
    return int(seconds * NANOSECONDS)

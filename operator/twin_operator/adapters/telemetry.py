"""OpenTelemetry: sends spans by OTLP over HTTP. Imported only where an endpoint is configured.

The SDK reads its own environment (`OTEL_*`): endpoint, headers, certificates, sampler, batches, limits, resource.
"""

import logging
import threading
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import INVALID_SPAN_CONTEXT, StatusCode

from twin_operator.services.runs.tracing import RunTrace, Span, around

logger = logging.getLogger(__name__)
FLUSH_SECONDS: Final = 3.0  # a collector that is down must not hold up the end of a process
NANOSECONDS: Final = 1e9


class _GivenIds(IdGenerator):
    """Gives a span the identities that it has already: they stood in messages before it was recorded."""

    def __init__(self) -> None:
        self.next = INVALID_SPAN_CONTEXT

    def generate_trace_id(self) -> int:
        return self.next.trace_id

    def generate_span_id(self) -> int:
        return self.next.span_id


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
        result = self._provider.sampler.should_sample(around(trace.parent), trace.context.trace_id, "")
        return result.decision is Decision.RECORD_AND_SAMPLE

    def record(self, span: Span) -> None:
        """Queue a span to be sent; what the sampler or a full queue refuses is dropped."""
        with self._lock:
            self._ids.next = span.context
            recorded = self._tracer.start_span(
                span.name,
                context=around(span.parent),
                kind=span.kind,
                attributes=dict(span.attributes),
                start_time=_nanoseconds(span.start),
            )
        for event in span.events:
            recorded.add_event(event.name, dict(event.attributes), _nanoseconds(event.time))
        if span.error is not None:
            recorded.set_status(StatusCode.ERROR, span.error)
        recorded.end(_nanoseconds(max(span.start, span.end)))

    def flush(self) -> None:
        """Send what is queued; give up after a few seconds."""
        sending = threading.Thread(target=self._provider.force_flush, name="flush of spans", daemon=True)
        sending.start()
        sending.join(FLUSH_SECONDS)
        if sending.is_alive():
            logger.warning("Spans are lost: the collector did not take them within %.0f s.", FLUSH_SECONDS)


def _nanoseconds(seconds: float) -> int:
    return int(seconds * NANOSECONDS)

"""Traces of runs: the place of a run in its trace, the spans of operator and workers, and the port that takes them.

Identities are digests, which a restart of the operator and a loss of the queue do not change; random ones are given by
the caller. Spans are recorded when they end, as facts with their times: nothing is kept open, and nothing is to be torn
down. They are named by OpenTelemetry's `SpanContext`, whose propagator for W3C Trace Context reads and writes the
header `traceparent`.
"""

import hashlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final, Protocol

from opentelemetry.context import Context
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    format_trace_id,
    get_current_span,
    set_span_in_context,
    use_span,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from twin_operator.api.v1alpha1.resource import ObjectMeta

HEADER: Final = "traceparent"
SPAN_BITS: Final = 64  # of a span's identity
_PROPAGATOR: Final = TraceContextTextMapPropagator()
ANNOTATION: Final = "twinops.dev/traceparent"
Attribute = str | int | float | bool


def parse(traceparent: str | None) -> SpanContext | None:
    """Read a header's value; None where the specification has it ignored."""
    if traceparent is None:
        return None
    found = get_current_span(_PROPAGATOR.extract({HEADER: traceparent}, Context())).get_span_context()
    return found if found.is_valid else None


def traceparent_of(context: SpanContext) -> str:
    """Return the header's value that names a span."""
    headers: dict[str, str] = {}
    _PROPAGATOR.inject(headers, around(context))
    return headers[HEADER]


def around(context: SpanContext | None) -> Context:
    """Return the context in which a span is the current one; an empty context without a span."""
    return Context() if context is None else set_span_in_context(NonRecordingSpan(context), Context())


def span_context(trace_id: int, span_id: int, *, sampled: bool) -> SpanContext:
    """Return what names a span; `sampled`: whether the trace may be recorded, the only flag of level 1.

    It counts as remote, as after `parse`: any process may record the span.
    """
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=flags)


@dataclass(frozen=True)
class RunTrace:
    """The place of a run in its trace.

    Attributes:
        context: the run's own span, from when it was asked for to when its answer stands.
        parent: the span that asked for it, where it was named.
    """

    context: SpanContext
    parent: SpanContext | None = None

    @property
    def trace_id(self) -> str:
        """The trace, as statuses and logs have it: 32 lower-case hexadecimal digits."""
        return format_trace_id(self.context.trace_id)

    def child(self, span_id: int) -> "RunTrace":
        """Return the place of another span below this one."""
        return RunTrace(_child(self.context, span_id), self.context)

    def decided(self, *, sampled: bool) -> "RunTrace":
        """Return the same place, with the decision whether its spans are kept."""
        return RunTrace(span_context(self.context.trace_id, self.context.span_id, sampled=sampled), self.parent)


def run_trace(uid: str, run: str, traceparent: str | None) -> RunTrace:
    """Return the trace of a run: the one that is named, or one that belongs to the object with this uid.

    Both identities are digests. Not the uid itself: the upper two of the 64 bits that samplers by ratio read are the
    same in all of them.
    """
    span_id = int.from_bytes(hashlib.sha256(run.encode()).digest()[16:24])
    parent = parse(traceparent)
    if parent is None:
        trace_id = int.from_bytes(hashlib.sha256(uid.encode()).digest()[:16])
        return RunTrace(span_context(trace_id, span_id, sampled=False))
    return RunTrace(_child(parent, span_id), parent)


def _child(context: SpanContext, span_id: int) -> SpanContext:
    return span_context(context.trace_id, span_id, sampled=context.trace_flags.sampled)


@dataclass(frozen=True)
class SpanEvent:
    """A moment within a span, seconds since the epoch."""

    name: str
    time: float
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


@dataclass(frozen=True)
class Span:
    """A piece of work that is over.

    Attributes:
        context: its identity.
        parent: the span that it is part of; None for the first of a trace.
        start, end: seconds since the epoch.
        error: what went wrong, None where nothing did.
    """

    name: str
    context: SpanContext
    parent: SpanContext | None
    start: float
    end: float
    kind: SpanKind = SpanKind.INTERNAL
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    error: str | None = None
    events: tuple[SpanEvent, ...] = ()


class Tracer(Protocol):
    """Takes spans to where they can be seen."""

    def sampled(self, trace: RunTrace) -> bool:
        """Whether spans of this trace are kept; the same in every process of an installation."""
        ...

    def record(self, span: Span) -> None:
        """Take a span; it is sent later, or lost where no collector takes it. Never waits, never raises."""
        ...

    def flush(self) -> None:
        """Send what was recorded, within seconds."""
        ...


class NoTracer:
    """Where no endpoint is configured."""

    def sampled(self, trace: RunTrace) -> bool:  # noqa: ARG002 - the port's
        """Keep none."""
        return False

    def record(self, span: Span) -> None:
        """Drop it."""

    def flush(self) -> None:
        """Nothing to send."""


def trace_of(metadata: ObjectMeta, run: str | None = None) -> RunTrace:
    """Return the trace of a run that an object asks for; without a name it is the run that the object itself is."""
    return run_trace(metadata.uid, run or metadata.uid, metadata.annotations.get(ANNOTATION))


def current_trace() -> SpanContext | None:
    """Return the span that this thread or coroutine works in."""
    context = get_current_span().get_span_context()
    return context if context.is_valid else None


def within(context: SpanContext) -> AbstractContextManager[object]:
    """Let log lines until the end of the block name the span that they belong to."""
    return use_span(NonRecordingSpan(context))

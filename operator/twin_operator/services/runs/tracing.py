"""Traces of runs: the spans that operator and workers record, the port that takes them, and where log lines belong.

Spans are recorded when they end, as facts with their times: nothing is kept open, and nothing is to be torn down.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final, Protocol

from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, get_current_span, use_span

from twin_operator.api.v1alpha1.resource import ObjectMeta
from twin_operator.services.runs.trace_context import RunTrace, run_trace

ANNOTATION: Final = "twinops.dev/traceparent"
Attribute = str | int | float | bool


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
        """Take a span; it is sent later, or lost where nobody takes it. Never waits, never raises."""
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

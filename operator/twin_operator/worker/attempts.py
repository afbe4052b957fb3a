"""Attempts as spans: the part of a run's trace that a worker adds, and the context of its log lines."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from secrets import randbits
from time import time
from typing import Final

from opentelemetry.trace import SpanContext

from twin_operator.services.reconciling.errors import TryAgain
from twin_operator.services.runs.run import Outcome, Task
from twin_operator.services.runs.spans import attempt_span
from twin_operator.services.runs.tracing import (
    SPAN_BITS,
    RunTrace,
    SpanEvent,
    Tracer,
    current_trace,
    parse,
    run_trace,
)

logger = logging.getLogger(__name__)
MOST_EVENTS: Final = 128  # of one span, as OpenTelemetry limits them
STOPPED: Final = "The run was cancelled, suspended or deleted, or its lease was lost."


def continued(task: Task, traceparent: str | None) -> Task:
    """Return the task with the trace that its message names, if it names one."""
    context = parse(traceparent)
    return task if context is None else replace(task, trace=RunTrace(context))


def trace_of_attempt(task: Task) -> SpanContext:
    """Return the span of a new attempt; without a trace to continue, in one of the run's own."""
    trace = task.trace or run_trace(task.run, task.run, None)
    return trace.child(randbits(SPAN_BITS)).context


@dataclass
class Attempt:
    """An attempt under way."""

    task: Task
    context: SpanContext
    start: float
    number: int
    events: list[SpanEvent] = field(default_factory=list)


@dataclass
class Attempts:
    """Records a span for each attempt of this process, one at a time.

    Args:
        tracer: takes spans.
        number: returns how many attempts of a run were begun; asked only for spans that are kept.
        hide: returns a text without the secrets of this process.
    """

    tracer: Tracer
    number: Callable[[str], int]
    hide: Callable[[str], str]
    _open: Attempt | None = None

    def carry_out(self, task: Task, work: Callable[[Task], Outcome]) -> Outcome:
        """Do the work, and record how long it took and how it ended; the outcome's message shows no secret."""
        context = current_trace()
        parent = task.trace.context if task.trace else None
        if context is not None and self.tracer.sampled(RunTrace(context, parent)):
            self._open = Attempt(task, context, time(), self.number(task.run))
        try:
            outcome = work(task)
        except BaseException as error:
            self._close(self.sentence(error))
            raise
        outcome = replace(outcome, message=self.hide(outcome.message))
        self._close(None if outcome.succeeded else f"{outcome.reason}: {outcome.message}")
        return outcome

    def sentence(self, error: BaseException) -> str:
        """Return what went wrong, for a status or a span: a library's text may hold an address, or worse."""
        return self.hide(str(error) if isinstance(error, TryAgain) else f"{type(error).__name__}: {error}")

    def note(self, phrase: str, share: float) -> None:
        """Note progress within the attempt: the share done (0 to 1) and a phrase."""
        if self._open is not None and len(self._open.events) < MOST_EVENTS:
            self._open.events.append(SpanEvent(phrase, time(), {"twinops.share": share}))

    def abandon(self) -> None:
        """Record the running attempt as stopped, and send all spans: the process is about to end."""
        self._close(STOPPED)
        self.tracer.flush()

    def _close(self, error: str | None) -> None:
        attempt, self._open = self._open, None
        if attempt is not None:
            moments = (attempt.start, time())
            self.tracer.record(
                attempt_span(attempt.task, attempt.context, attempt.number, moments, error, tuple(attempt.events))
            )

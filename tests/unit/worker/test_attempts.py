"""The span of an attempt: how it hangs in its trace, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from opentelemetry.trace import SpanContext, SpanKind

from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.services.runs.credentials import hiding
from twin_operator.services.runs.run import Outcome, Target, Task, TaskKind
from twin_operator.services.runs.tracing import RunTrace, Span, traceparent_of, within
from twin_operator.worker.attempts import STOPPED, Attempts, continued, trace_of_attempt

HEADER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SECRET = "open-sesame"  # noqa: S105 - what no span and no status may show
TASK = Task("u", TaskKind.SIMULATE, "simulations", Target("Simulation", "n", "s", "u"), 4, {})


@dataclass
class ListTracer:
    """Keeps spans in a list, and all of them unless a parent says otherwise."""

    spans: list[Span] = field(default_factory=list)
    flushed: int = 0

    def sampled(self, trace: RunTrace) -> bool:
        return trace.parent is None or trace.parent.trace_flags.sampled

    def record(self, span: Span) -> None:
        self.spans.append(span)

    def flush(self) -> None:
        self.flushed = len(self.spans)


def carry_out(tracer: ListTracer, header: str | None, result: Outcome | Exception) -> SpanContext:
    task = continued(TASK, header)
    context = trace_of_attempt(task)

    def work(_task: Task) -> Outcome:
        if isinstance(result, Exception):
            raise result
        return result

    with within(context):
        Attempts(tracer, lambda _run: 2, hiding([SECRET])).carry_out(task, work)
    return context


def test_an_attempt_is_a_consumer_under_the_span_that_its_message_names() -> None:
    tracer = ListTracer()
    context = carry_out(tracer, HEADER, Outcome(Reason.SUCCEEDED, "done"))
    (span,) = tracer.spans
    assert span.parent is not None
    assert traceparent_of(span.parent) == HEADER
    assert (span.context, span.kind, span.error) == (context, SpanKind.CONSUMER, None)
    assert (span.name, span.attributes["twinops.attempt"]) == ("process simulations", 2)
    assert span.attributes["messaging.destination.name"] == "simulations"


def test_an_attempt_of_a_message_without_a_trace_has_no_parent_in_a_trace_of_its_run() -> None:
    tracer = ListTracer()
    first = carry_out(tracer, None, Outcome(Reason.SUCCEEDED, "done"))
    second = carry_out(tracer, "no trace", Outcome(Reason.SUCCEEDED, "done"))
    assert [span.parent for span in tracer.spans] == [None, None]
    assert first.trace_id == second.trace_id
    assert first.span_id != second.span_id


def test_a_refused_run_is_an_error() -> None:
    tracer = ListTracer()
    carry_out(tracer, HEADER, Outcome(Reason.UNKNOWN_ARM, "There is no such arm."))
    assert tracer.spans[0].error == "UnknownArm: There is no such arm."


def test_a_failed_attempt_is_an_error_and_goes_on_its_way() -> None:
    tracer = ListTracer()
    with pytest.raises(OSError, match="gone"):
        carry_out(tracer, HEADER, OSError("gone"))
    assert tracer.spans[0].error == "OSError: gone"


def test_what_the_caller_does_not_record_is_not_recorded() -> None:
    tracer = ListTracer()
    carry_out(tracer, HEADER[:-2] + "00", Outcome(Reason.SUCCEEDED, "done"))
    assert tracer.spans == []


def test_progress_is_told_within_the_span_and_an_attempt_that_is_stopped_is_sent_before_the_process_ends() -> None:
    tracer = ListTracer()
    attempts = Attempts(tracer, lambda _run: 1, hiding([SECRET]))
    task = continued(TASK, HEADER)

    def work(_task: Task) -> Outcome:
        attempts.note("Checks", 0.9)
        attempts.abandon()
        return Outcome(Reason.SUCCEEDED, "too late")

    with within(trace_of_attempt(task)):
        attempts.carry_out(task, work)
    (span,) = tracer.spans
    assert (span.error, tracer.flushed) == (STOPPED, 1)
    assert [event.name for event in span.events] == ["Checks"]


@pytest.mark.parametrize("header", [HEADER, HEADER[:-2] + "00"], ids=["recorded", "not recorded"])
def test_neither_a_span_nor_an_outcome_shows_a_secret(header: str) -> None:
    tracer = ListTracer()
    attempts = Attempts(tracer, lambda _run: 1, hiding([SECRET]))
    task = continued(TASK, header)
    found = Outcome(Reason.DATA_NOT_READABLE, f"{SECRET} of https://h/x?sig=abc is refused.", {"kept": SECRET})
    with within(trace_of_attempt(task)):
        outcome = attempts.carry_out(task, lambda _task: found)
    assert outcome == Outcome(Reason.DATA_NOT_READABLE, "** of https://h/x?sig=** is refused.", {"kept": SECRET})
    assert [span.error for span in tracer.spans if span.error and SECRET in span.error] == []


def test_a_span_of_a_failed_attempt_shows_no_secret() -> None:
    tracer = ListTracer()
    with pytest.raises(OSError, match=SECRET):
        carry_out(tracer, HEADER, OSError(f"{SECRET} at http://bob:x@mlflow"))
    assert tracer.spans[0].error == "OSError: ** at http://**@mlflow"

"""Traces of runs: which trace a run belongs to, and what its spans say."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest
from opentelemetry.trace import SpanKind

from tests.unit.services.letters import job, twin_model
from twin_operator.api.v1alpha1 import (
    ObjectMeta,
    RetrainingJob,
    RetrainingJobStatus,
    Simulation,
    SimulationStatus,
    TwinModel,
)
from twin_operator.api.v1alpha1.conditions import Condition, ConditionStatus, RetrainingJobPhase, SimulationPhase
from twin_operator.services.runs.run import Run, Target, Task, TaskKind
from twin_operator.services.runs.spans import RunTraces, attempt_span, publication
from twin_operator.services.runs.tracing import (
    ANNOTATION,
    NoTracer,
    RunTrace,
    Span,
    current_trace,
    span_context,
    trace_of,
    within,
)

NOW = 1_800_000_000.0
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
RUN = span_context(int(TRACE, 16), int(PARENT, 16), sampled=False)
OTHER = span_context(int(TRACE, 16), 7, sampled=False)
TASK = Task(
    run="run-1",
    kind=TaskKind.SIMULATE,
    queue="simulations",
    target=Target("Simulation", "growth", "question", "u"),
    attempt_limit=4,
    payload={},
)


@dataclass
class Kept:
    """A tracer that keeps spans, of every trace or of none."""

    samples: bool = True
    spans: list[Span] = field(default_factory=list)

    def sampled(self, trace: RunTrace) -> bool:  # noqa: ARG002 - the port's
        """Keep all, or none."""
        return self.samples

    def record(self, span: Span) -> None:
        """Keep a span."""
        self.spans.append(span)

    def flush(self) -> None:
        """Nothing waits."""


def metadata(**annotations: str) -> ObjectMeta:
    created = datetime(2027, 1, 15, 7, 59, tzinfo=UTC)
    return ObjectMeta(uid="u", namespace="growth", name="question", creation_timestamp=created, annotations=annotations)


READY = Condition(type="Ready", status=ConditionStatus.FALSE, reason="Because", message="a sentence")
MODEL = TwinModel.model_validate(
    {
        **twin_model(),
        "metadata": metadata().manifest(),
        "status": {"phase": "Ready", "conditions": [READY.manifest()]},
    }
)
JOB = RetrainingJob.model_validate({**job(), "metadata": metadata().manifest()})


def simulation(phase: SimulationPhase = SimulationPhase.SUCCEEDED) -> Simulation:
    spec = {"modelRef": {"name": "spring"}, "intervention": {"arm": "letter"}}
    asked = Simulation.model_validate({"metadata": metadata().manifest(), "spec": spec})
    return asked.replace(status=SimulationStatus(phase=phase, conditions=(READY,)))


def test_the_trace_that_an_object_names_is_continued() -> None:
    trace = trace_of(metadata(**{ANNOTATION: f"00-{TRACE}-{PARENT}-01"}))
    assert trace.trace_id == TRACE
    assert trace.parent == span_context(int(TRACE, 16), int(PARENT, 16), sampled=True)


def test_an_object_that_names_none_has_a_trace_of_its_own_that_every_process_finds_again() -> None:
    assert trace_of(metadata()) == trace_of(metadata())
    assert trace_of(metadata()).parent is None


def test_two_runs_of_an_object_are_two_spans_of_one_trace() -> None:
    first, second = trace_of(metadata(), "first").context, trace_of(metadata(), "second").context
    assert first.trace_id == second.trace_id
    assert first.span_id != second.span_id


def test_log_lines_belong_to_the_span_of_the_block_that_they_are_written_in() -> None:
    with within(RUN):
        with within(OTHER):
            assert current_trace() == OTHER
        assert current_trace() == RUN
    assert current_trace() is None


def test_a_simulation_s_span_lasts_from_its_queueing_to_its_answer() -> None:
    tracer = Kept()
    run = Run(attempts=2, queued=NOW - 8, started=NOW - 5, finished=NOW - 1)
    RunTraces(tracer, lambda: NOW).simulation_ended(simulation(), run, seen=NOW - 7)
    (span,) = tracer.spans
    assert (span.name, span.start, span.end, span.error) == ("Simulation", NOW - 8, NOW, None)
    assert [(event.name, event.time) for event in span.events] == [
        ("queued", NOW - 8),
        ("started", NOW - 5),
        ("finished", NOW - 1),
    ]
    assert span.attributes == {
        "k8s.namespace.name": "growth",
        "twinops.kind": "Simulation",
        "twinops.name": "question",
        "twinops.phase": "Succeeded",
        "twinops.reason": "Because",
        "twinops.attempts": 2,
    }


@pytest.mark.parametrize(("run", "start"), [(Run(), NOW - 7), (Run(queued=NOW - 3), NOW - 7)])
def test_a_simulation_s_span_begins_when_it_was_seen_where_that_is_earlier(run: Run, start: float) -> None:
    tracer = Kept()
    RunTraces(tracer, lambda: NOW).simulation_ended(simulation(), run, seen=NOW - 7)
    assert tracer.spans[0].start == start
    assert len(tracer.spans[0].events) == (0 if run.queued is None else 1)


@pytest.mark.parametrize(
    ("phase", "error"),
    [
        (RetrainingJobPhase.COMPLETED, None),
        (RetrainingJobPhase.FAILED, "a sentence"),
        (RetrainingJobPhase.REJECTED, "a sentence"),
        (RetrainingJobPhase.CANCELLED, "a sentence"),
    ],
)
def test_a_span_says_why_it_ended_badly(phase: RetrainingJobPhase, error: str | None) -> None:
    tracer = Kept()
    ended = RetrainingJobStatus(phase=phase, conditions=(READY,))
    RunTraces(tracer, lambda: NOW).job_ended(JOB.replace(status=ended))
    assert tracer.spans[0].error == error


def test_a_job_s_span_begins_with_the_creation_of_the_job() -> None:
    tracer = Kept()
    RunTraces(tracer, lambda: NOW).job_ended(JOB)
    assert tracer.spans[0].start == NOW - 60


@pytest.mark.parametrize(("run", "start"), [(Run(queued=NOW - 30), NOW - 30), (Run(), NOW)])
def test_a_training_s_span_begins_with_its_queueing(run: Run, start: float) -> None:
    tracer = Kept()
    RunTraces(tracer, lambda: NOW).training_ended(MODEL, "training", run)
    assert tracer.spans[0].start == start
    assert tracer.spans[0].context == trace_of(metadata(), "training").context


def test_what_is_not_sampled_is_logged_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    tracer = Kept(samples=False)
    with caplog.at_level(logging.INFO):
        RunTraces(tracer, lambda: NOW).simulation_ended(simulation(), Run(), seen=NOW)
    assert tracer.spans == []
    assert "Simulation growth/question: Succeeded." in caplog.text


def test_a_span_of_publication_is_a_child_of_its_run_with_the_attributes_of_messaging() -> None:
    span = publication(TASK, RunTrace(RUN).child(7), NOW, NOW + 1)
    assert (span.name, span.kind, span.parent) == ("publish simulations", SpanKind.PRODUCER, RUN)
    assert span.context == OTHER
    assert (span.start, span.end) == (NOW, NOW + 1)
    assert span.attributes == {
        "messaging.system": "celery",
        "messaging.destination.name": "simulations",
        "messaging.operation.name": "publish",
        "messaging.operation.type": "send",
        "messaging.message.id": "run-1",
        "k8s.namespace.name": "growth",
        "twinops.kind": "Simulation",
        "twinops.name": "question",
        "twinops.run": "run-1",
        "twinops.task": "simulate",
    }


@pytest.mark.parametrize("traced", [True, False])
def test_a_span_of_an_attempt_counts_it_and_belongs_to_the_run(*, traced: bool) -> None:
    trace = RunTrace(RUN) if traced else None
    span = attempt_span(replace(TASK, trace=trace), OTHER, 2, (NOW, NOW + 3), "boom", ())
    assert (span.name, span.kind, span.error) == ("process simulations", SpanKind.CONSUMER, "boom")
    assert span.parent == (trace.context if trace else None)
    assert (span.start, span.end) == (NOW, NOW + 3)
    assert span.attributes["twinops.attempt"] == 2
    assert span.attributes["messaging.operation.type"] == "process"


@pytest.mark.parametrize("sampled", [True, False])
def test_a_decision_on_sampling_changes_nothing_else_of_a_trace(*, sampled: bool) -> None:
    after = RunTrace(RUN, OTHER).decided(sampled=sampled)
    assert after == RunTrace(span_context(RUN.trace_id, RUN.span_id, sampled=sampled), OTHER)


def test_without_an_endpoint_no_trace_is_kept() -> None:
    tracer, trace = NoTracer(), RunTrace(RUN)
    assert not tracer.sampled(trace)

"""The spans of runs, built from what the record says of them, and the operator's part in recording them."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from opentelemetry.trace import SpanContext, SpanKind

from twin_operator.api.v1alpha1 import RetrainingJob, Simulation, TwinModel
from twin_operator.api.v1alpha1.conditions import ConditionType
from twin_operator.services.runs.run import Run, Task
from twin_operator.services.runs.tracing import Attribute, RunTrace, Span, SpanEvent, Tracer, trace_of, within

logger = logging.getLogger(__name__)
MESSAGING_SYSTEM: Final = "celery"
Traced = Simulation | TwinModel | RetrainingJob
ENDED_BADLY: Final = frozenset({"Failed", "Rejected", "Cancelled"})


@dataclass(frozen=True)
class RunTraces:
    """Says in the log, and by a span, that what an object asked for is over.

    Args:
        tracer: takes spans.
        clock: seconds since the epoch.
    """

    tracer: Tracer
    clock: Callable[[], float]

    def simulation_ended(self, simulation: Simulation, run: Run, seen: float) -> None:
        """Log and record a Simulation whose final status was written; `seen`: when first, seconds since the epoch."""
        self._ended(simulation, trace_of(simulation.metadata), run, min(seen, run.queued or seen))

    def training_ended(self, model: TwinModel, run_id: str, run: Run) -> None:
        """Log and record the training of a TwinModel whose status says how it went."""
        now = self.clock()
        self._ended(model, trace_of(model.metadata, run_id), run, run.queued or now)

    def job_ended(self, job: RetrainingJob) -> None:
        """Log and record a RetrainingJob whose final status was written."""
        created = job.metadata.creation_timestamp
        begun = self.clock() if created is None else created.timestamp()
        self._ended(job, trace_of(job.metadata), Run(), begun)

    def _ended(self, resource: Traced, trace: RunTrace, run: Run, begun: float) -> None:
        with within(trace.context):
            logger.info("%s %s/%s: %s.", resource.kind, resource.namespace, resource.name, resource.status.phase)
        if self.tracer.sampled(trace):
            self.tracer.record(object_span(resource, trace, run, begun, self.clock()))


def object_span(resource: Traced, trace: RunTrace, run: Run, begun: float, now: float) -> Span:
    """Return the span of what an object asked for: from when it was seen to when its status was written."""
    ready, phase = resource.status.condition(ConditionType.READY), resource.status.phase
    attributes: dict[str, Attribute] = {
        "k8s.namespace.name": resource.namespace,
        "twinops.kind": resource.kind,
        "twinops.name": resource.name,
        "twinops.phase": str(phase),
        "twinops.reason": ready.reason if ready else "",
        "twinops.attempts": run.attempts,
    }
    return Span(
        name=resource.kind,
        context=trace.context,
        parent=trace.parent,
        start=begun,
        end=now,
        attributes=attributes,
        error=(ready.message if ready else "") if phase in ENDED_BADLY else None,
        events=_moments(run),
    )


def publication(task: Task, place: RunTrace, start: float, end: float) -> Span:
    """Return the span of a message that was put into its queue, at its place in the trace."""
    return Span(
        name=f"publish {task.queue}",
        context=place.context,
        parent=place.parent,
        start=start,
        end=end,
        kind=SpanKind.PRODUCER,
        attributes=message_attributes(task, "publish", "send"),
    )


def attempt_span(
    task: Task,
    context: SpanContext,
    number: int,
    moments: tuple[float, float],
    error: str | None,
    events: tuple[SpanEvent, ...],
) -> Span:
    """Return the span of an attempt, the `number`-th of its run, between two moments (seconds since the epoch)."""
    return Span(
        name=f"process {task.queue}",
        context=context,
        parent=None if task.trace is None else task.trace.context,
        start=moments[0],
        end=moments[1],
        kind=SpanKind.CONSUMER,
        attributes={**message_attributes(task, "process", "process"), "twinops.attempt": number},
        error=error,
        events=events,
    )


def message_attributes(task: Task, operation: str, kind: str) -> dict[str, Attribute]:
    """Return what a span says of its message: OpenTelemetry's semantic conventions for messaging, and our own."""
    return {
        "messaging.system": MESSAGING_SYSTEM,
        "messaging.destination.name": task.queue,
        "messaging.operation.name": operation,
        "messaging.operation.type": kind,
        "messaging.message.id": task.run,
        "k8s.namespace.name": task.target.namespace,
        "twinops.kind": task.target.kind,
        "twinops.name": task.target.name,
        "twinops.run": task.run,
        "twinops.task": str(task.kind),
    }


def _moments(run: Run) -> tuple[SpanEvent, ...]:
    known = {"queued": run.queued, "started": run.started, "finished": run.finished}
    return tuple(SpanEvent(name, moment) for name, moment in known.items() if moment is not None)

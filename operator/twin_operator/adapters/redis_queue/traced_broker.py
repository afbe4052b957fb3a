"""A broker whose messages continue the trace of their run: a PRODUCER span each. Only where traces are recorded."""

import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from secrets import token_hex

from twin_operator.adapters.redis_queue.broker import Broker
from twin_operator.services.runs.run import Task
from twin_operator.services.runs.spans import decided, publication
from twin_operator.services.runs.trace_context import RunTrace
from twin_operator.services.runs.tracing import Tracer

SPAN_BYTES = 8  # of a span's identity


@dataclass
class TracedBroker(Broker):
    """A broker that records what it publishes.

    Args:
        tracer: takes spans.
    """

    tracer: Tracer

    async def publish(self, tasks: Collection[Task]) -> None:
        """Put tasks into their queues, with the span of their publication as parent of what workers do."""
        known = {task.run: self._decided(task.trace) for task in tasks if task.trace is not None}
        spans = {run: token_hex(SPAN_BYTES) for run, trace in known.items() if trace.context.sampled}
        start = time.time()
        await super().publish([_within(task, known.get(task.run), spans.get(task.run)) for task in tasks])
        end = time.time()
        for task in tasks:
            if task.run in spans:
                self.tracer.record(publication(task, known[task.run], spans[task.run], start, end))

    def _decided(self, trace: RunTrace) -> RunTrace:
        return decided(trace, sampled=self.tracer.sampled(trace))


def _within(task: Task, trace: RunTrace | None, span_id: str | None) -> Task:
    if trace is None:
        return task
    return replace(task, trace=trace if span_id is None else RunTrace(trace.context.child(span_id), trace.context))

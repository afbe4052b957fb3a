"""A broker that records traces of what it publishes."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from secrets import randbits
from time import time

from twin_operator.adapters.redis_queue.broker import Broker
from twin_operator.services.runs.run import Task
from twin_operator.services.runs.spans import publication
from twin_operator.services.runs.tracing import SPAN_BITS, Tracer


@dataclass
class TracedBroker(Broker):
    """A broker that records a PRODUCER span for each message, where traces are recorded.

    Args:
        tracer: takes spans.
    """

    tracer: Tracer = field(kw_only=True)

    async def publish(self, tasks: Collection[Task]) -> None:
        """Put tasks into their queues, with the span of their publication as parent of what workers do."""
        traces = {
            task.run: task.trace.decided(sampled=self.tracer.sampled(task.trace))
            for task in tasks
            if task.trace is not None
        }
        published = {
            run: trace.child(randbits(SPAN_BITS)) for run, trace in traces.items() if trace.context.trace_flags.sampled
        }
        places = traces | published
        start = time()
        await super().publish([replace(task, trace=places.get(task.run)) for task in tasks])
        end = time()
        for task in tasks:
            if task.run in published:
                self.tracer.record(publication(task, published[task.run], start, end))

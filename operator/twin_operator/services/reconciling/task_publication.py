"""Publishes the tasks of trainings, comparisons and data checks, within the limits of their queue.

A place in a queue is known by its message: each read of the queue finds those that an earlier leader published, and
those that are done with.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from twin_operator.services.reconciling.ports import RunQueue
from twin_operator.services.reconciling.window import Candidate, PublicationWindow
from twin_operator.services.runs.run import Target, Task, TaskMessage

ENVELOPE_BYTES: Final = 2048  # of a message besides its payload: headers, properties, signature
ENCODED: Final = 4 / 3  # bytes of base64 for each byte
SETTLED_SECONDS: Final = 30.0  # a place without a message is free after this: its object may not need it any more


@dataclass
class TaskPublication:
    """The places of tasks, and what is in their queues.

    Queues are read each once at a time: who asks during a read gets the next one, together with all others who do. An
    answer is never older than its question, and a thousand objects of one queue do not read it a thousand times.

    Args:
        queue: queues and runs.
        window: the places of the queues.
        clock: seconds since the epoch.
        granted: called with kind, namespace and name of an object that waited and may publish its task now.
    """

    queue: RunQueue
    window: PublicationWindow
    clock: Callable[[], float]
    granted: Callable[[str, str, str], None]
    _targets: dict[str, Target] = field(default_factory=dict)
    _since: dict[str, float] = field(default_factory=dict)
    _left: dict[str, float] = field(default_factory=dict)
    _next: dict[str, asyncio.Task[Mapping[str, TaskMessage]]] = field(default_factory=dict)
    _reading: dict[str, asyncio.Lock] = field(default_factory=dict)

    async def has(self, queue: str, run: str) -> bool:
        """Whether the message of a run is in the queue or unacknowledged."""
        if queue not in self._next:
            self._next[queue] = asyncio.create_task(self._read(queue))
        return run in await asyncio.shield(self._next[queue])

    def may_publish(self, task: Task) -> bool:
        """Whether a task has a place in its queue; else its object is reconciled when it has. Read its queue first."""
        self._targets[task.run] = task.target
        self.window.request(_candidate(task))
        self._grant(task.run)
        return self.window.has(task.run)

    async def publish(self, task: Task) -> None:
        """Publish a task that has a place."""
        self._left.pop(task.run, None)
        await self.queue.resume(task.run)
        await self.queue.mark_queued({task.run: self.clock()})
        await self.queue.publish([task])

    def release(self, run: str) -> None:
        """Take the place of a run, or its request, back: it has ended, is stopped, or its object is gone."""
        if self.window.has(run):
            self._left[run] = self.clock()
        self._free(run)
        self._grant()

    async def _read(self, queue: str) -> Mapping[str, TaskMessage]:
        async with self._reading.setdefault(queue, asyncio.Lock()):
            del self._next[queue]  # who asks from now on gets a later read
            began = self.clock()
            found = await self.queue.task_messages(queue)
            self._settle(queue, found, began - SETTLED_SECONDS)
        if queue not in self._next:
            self._reading.pop(queue, None)
        return found

    def _settle(self, queue: str, found: Mapping[str, TaskMessage], settled: float) -> None:
        """Compare the places of a queue with its messages; what changed after `settled` may not show in them yet."""
        self._left = {run: moment for run, moment in self._left.items() if moment > settled}
        for run, message in found.items():
            if run not in self._left and not self.window.has(run):
                self.window.occupy(Candidate(run, message.namespace, message.queue, 0, message.size))
                self._since[run] = self.clock()
        for run in self.window.placed(queue):
            if run not in found and self._since[run] <= settled:
                self._free(run)
        self._grant()

    def _grant(self, asking: str | None = None) -> None:
        for run in self.window.grant():
            self._since[run] = self.clock()
            if run != asking:
                target = self._targets[run]
                self.granted(target.kind, target.namespace, target.name)

    def _free(self, run: str) -> None:
        self.window.release(run)
        self._since.pop(run, None)
        self._targets.pop(run, None)


def _candidate(task: Task) -> Candidate:
    size = ENVELOPE_BYTES + int(len(json.dumps(task.payload)) * ENCODED)
    return Candidate(task.run, task.target.namespace, task.queue, task.priority, size)

"""What tests of Simulations read of an installation besides objects: messages, records of runs, and reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.services.runs.run import JSON, Outcome, Run, Task

if TYPE_CHECKING:
    from tests.fakes.installation import Installation

PUBLISHED = "twinops_simulations_published_total"
REPUBLISHED = "twinops_simulations_republished_total"
ANSWERED = Outcome(Reason.SUCCEEDED, "Refine: a trial of 1,000 units would decide.", {"modelVersion": "1"})


def answered(_task: Task) -> Outcome:
    """Give every task the same answer: for tests in which its content has no part."""
    return ANSWERED


def hang(_task: Task) -> None:
    """Leave a task claimed, as a worker does that is busy with it."""


def phase(site: Installation, name: str = "question") -> str | None:
    return site.status("Simulation", name).get("phase")


def ready(site: Installation, name: str = "question") -> JSON:
    return site.condition("Simulation", name)


def messages(site: Installation, queue: str = "simulations") -> int:
    """Return how many messages stand in a queue."""
    return sum(map(len, site.queue.server.lists_of(queue)))


def run_of(site: Installation, uid: str) -> Run:
    """Return the record of a run; an empty one where Redis has none."""
    record = site.queue.server.record(uid)
    return Run() if record is None else record.read(site.now())


def reports(site: Installation) -> int:
    """Return how many reports of workers are not acknowledged yet."""
    return len(site.queue.server.content().results.entries)


def lose_reports(site: Installation) -> None:
    """Have Redis lose the reports of workers that the operator has not read; the records of their runs stay."""
    results = site.queue.server.content().results
    results.entries.clear()
    results.unread.clear()


def writes(site: Installation) -> int:
    """Return how often the operator wrote the status of a Simulation."""
    return sum(write.kind == "Simulation" for write in site.cluster.writes)


def workers_pool(**spec: Any) -> JSON:
    """Return a WorkerPool for the queue `simulations` that starts workers when there is something to do."""
    content = {"queues": ["simulations"], "autoscaling": {"minReplicas": 0, "maxReplicas": 2}, **spec}
    metadata = {"name": "light", "namespace": "default"}
    return {"apiVersion": "twinops.dev/v1alpha1", "kind": "WorkerPool", "metadata": metadata, "spec": content}

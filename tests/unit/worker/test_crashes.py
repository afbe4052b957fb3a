"""A worker process that ends at any call: its message is delivered again, and the run ends as in an undisturbed one.

One worker takes the message, claims, works and records; the parent acknowledges. The process ends before or after each
of these calls; then its lease and the visibility of its message pass, and the next worker carries on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from tests.fakes.attempts import untraced
from tests.fakes.crashes import Crash, CrashPlan, Moment
from tests.fakes.queue import Delivery, InMemoryQueue
from tests.unit.worker.simple_task import QUEUE, RUN, Clock, published, task
from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.services.reconciling.errors import TryAgain
from twin_operator.services.runs.run import Outcome, Task, TaskKind
from twin_operator.worker.leases import LeaseThread
from twin_operator.worker.tasks import Frame

DONE = Outcome(Reason.SUCCEEDED, "done", {"effect": 1})
Work = Callable[[Task], Outcome]


def succeeds(_task: Task) -> Outcome:
    return DONE


def refuses(_task: Task) -> Outcome:
    return Outcome(Reason.UNKNOWN_ARM, "There is no such arm.")


def fails(_task: Task) -> Outcome:
    raise ValueError("singular matrix")


def waits(_task: Task) -> Outcome:
    raise TryAgain("MLflow is away.")


@dataclass
class Site:
    """A queue, a worker that a plan ends, and the next one."""

    work: Work
    plan: CrashPlan = field(default_factory=CrashPlan)
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.queue = InMemoryQueue(self.clock)

    def run(self) -> None:
        """Publish the task; have it carried out until no message is left, by as many processes as it takes."""
        try:
            self.serve(published(self.queue, task(attempt_limit=3)), self.plan)
        except Crash:
            self.clock.now += self.queue.visibility_timeout
        while delivery := self.queue.take([QUEUE], "two"):
            self.serve(delivery, CrashPlan())

    def end(self) -> dict[str, Any]:
        """Return what is left, without what a repetition may change: when, by whom, and how often it was begun."""
        content = self.queue.server.content()
        record = content.records[RUN]
        return {
            "outcome": record.outcome,
            "error": record.error,
            "lease": record.lease,
            "leases": dict(content.leases[QUEUE]),
            "messages": [list(messages) for messages in self.queue.server.lists_of(QUEUE)],
            "unacknowledged": dict(content.unacknowledged),
            "dead letters": dict(content.dead_letters),
            "reports": [orjson.loads(entry)["event"] for entry in content.results.entries.values()],
        }

    def serve(self, delivery: Delivery, plan: CrashPlan) -> str:
        """Carry out a delivery in a process that a plan ends; return its verdict."""
        claims: Any = plan.wrap("claims", delivery.claims)
        frame = Frame(claims, LeaseThread(claims, lambda: None), {TaskKind.SIMULATE: self._work(plan)}, untraced())
        verdict = frame.carry_out(delivery.task, delivery.tag)
        acknowledge = plan.wrap("acknowledge", self.queue.settle)  # what the parent does on success
        acknowledge(delivery)
        return verdict

    def _work(self, plan: CrashPlan) -> Work:
        """Return the work under a plan that can also end the process between an error of the work and the frame."""

        def result_of(task: Task) -> Outcome | Exception:
            try:
                return self.work(task)
            except Exception as error:  # noqa: BLE001 - it is raised again
                return error

        guarded = plan.wrap("work", result_of)

        def work(task: Task) -> Outcome:
            result = guarded(task)
            if isinstance(result, Exception):
                raise result
            return result

        return work


def ended(work: Work, plan: CrashPlan) -> tuple[dict[str, Any], int]:
    """Return the end of a run under a plan, and its number of attempts."""
    site = Site(work, plan)
    site.run()
    return site.end(), site.queue.server.content().records[RUN].attempts


CALLS: dict[Work, list[str]] = {
    succeeds: ["claims.claim", "work", "claims.record", "acknowledge"],
    refuses: ["claims.claim", "work", "claims.record", "acknowledge"],
    fails: ["claims.claim", "work", "claims.fail_attempt", "claims.spent", "acknowledge"],
    waits: ["claims.claim", "work", "claims.fail_attempt", "claims.spent", "acknowledge"],
}


@pytest.mark.parametrize("work", CALLS)
def test_an_undisturbed_run_claims_works_records_and_acknowledges_in_this_order(work: Work) -> None:
    plan = CrashPlan()
    ended(work, plan)
    assert plan.calls == CALLS[work]


@pytest.mark.parametrize("work", CALLS)
def test_a_crash_at_any_call_changes_nothing(work: Work) -> None:
    undisturbed = CrashPlan()
    expected, attempts = ended(work, undisturbed)
    crashes = 0
    for number, call in enumerate(undisturbed.calls, 1):
        for moment in Moment:
            plan = CrashPlan(number, moment)
            end, repeated = ended(work, plan)
            assert end == expected | repetition(end, work), f"{moment} call {number}, {call}"
            assert attempts <= repeated <= attempts + 1, f"{moment} call {number}, {call}"
            crashes += plan.dead
    print(f"{len(undisturbed.calls)} effects, {crashes} crashes")  # noqa: T201 - read in the output of pytest
    assert crashes == 2 * len(undisturbed.calls)


def repetition(end: dict[str, Any], work: Work) -> dict[str, Any]:
    """Return how a crash may change the reports: a failed attempt that was reported may be made, and fail, again."""
    again = work in {fails, waits} and end["reports"] == ["attempt-failed", "attempt-failed"]
    return {"reports": end["reports"]} if again else {}


def test_a_crash_in_each_attempt_makes_a_dead_letter_at_the_limit() -> None:
    site = Site(succeeds)
    work, plan = task(attempt_limit=3), CrashPlan(2, Moment.BEFORE)  # in the work, each time
    delivery: Delivery | None = published(site.queue, work)
    for _attempt in range(work.attempt_limit):
        assert delivery is not None
        with pytest.raises(Crash):
            site.serve(delivery, plan)
        site.clock.now += site.queue.visibility_timeout
        plan, delivery = CrashPlan(2, Moment.BEFORE), site.queue.take([QUEUE], "one")
    assert delivery is not None
    assert site.serve(delivery, CrashPlan()) == "exhausted"
    assert site.end()["reports"] == ["exhausted"]

"""A task's frame: claim, work, record; at most one result a run, however often its message is delivered."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson
import pytest
from celery import Celery
from opentelemetry.trace import format_trace_id
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.fakes.attempts import untraced
from tests.fakes.queue import InMemoryQueue
from tests.fakes.redis_content import RunRecord
from tests.unit.worker.celery_parts import application, traced
from tests.unit.worker.simple_task import RUN, START, Clock, task
from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.services.reconciling.errors import TryAgain
from twin_operator.services.runs.run import JSON, Event, Outcome, Stop, Task, TaskKind
from twin_operator.services.runs.tracing import RunTrace, current_trace, parse
from twin_operator.worker.leases import LeaseThread, Stopped
from twin_operator.worker.tasks import ERROR_LENGTH, Frame

DONE = Outcome(Reason.SUCCEEDED, "done", {"effect": 1})
TRACE = "0af7651916cd43dd8448eb211c80319c"
LATE = 2e10  # seconds since the epoch: a deadline that has not come yet


@dataclass
class Child:
    """A child process of the worker `one`; `work` is what it does for every kind of task."""

    work: Callable[[Task], Outcome] = lambda _task: DONE
    queue: InMemoryQueue = field(default_factory=lambda: InMemoryQueue(Clock()))

    def __post_init__(self) -> None:
        self.claims = self.queue.claims("one")
        leases = LeaseThread(self.claims, lambda: None)
        self.frame = Frame(self.claims, leases, dict.fromkeys(TaskKind, self.work), untraced())

    def record(self) -> RunRecord:
        """Return the run's record."""
        record = self.queue.server.record(RUN)
        assert record is not None
        return record

    def reports(self) -> list[str]:
        """Return the events on the results stream."""
        entries = self.queue.server.content().results.entries.values()
        return [orjson.loads(entry)["event"] for entry in entries]


def raising(error: BaseException) -> Child:
    """Return a child whose work raises."""

    def work(_task: Task) -> Outcome:
        raise error

    return Child(work)


def test_a_run_is_recorded_once_with_its_result() -> None:
    child = Child()
    assert child.frame.carry_out(task()) == "recorded"
    assert orjson.loads(child.record().outcome or b"")["value"] == {"effect": 1}
    assert child.reports() == [Event.RECORDED]


def test_its_message_delivered_again_changes_nothing() -> None:
    child = Child()
    child.frame.carry_out(task())
    assert child.frame.carry_out(task()) == "finished"
    assert (child.record().attempts, child.reports()) == (1, [Event.RECORDED])


def test_the_task_reaches_the_work_of_its_kind() -> None:
    seen: list[tuple[str, JSON]] = []
    child = Child()

    def work_of(kind: TaskKind) -> Callable[[Task], Outcome]:
        def work(given: Task) -> Outcome:
            seen.append((kind, given.payload))
            return DONE

        return work

    frame = Frame(child.claims, child.frame.leases, {kind: work_of(kind) for kind in TaskKind}, untraced())
    frame.carry_out(task(kind=TaskKind.GATE, payload={"run": RUN}))
    assert seen == [("gate", {"run": RUN})]


def test_a_refused_run_is_recorded_with_its_reason() -> None:
    child = Child(lambda _task: Outcome(Reason.UNKNOWN_ARM, "There is no such arm."))
    assert child.frame.carry_out(task()) == "refused: UnknownArm"
    assert child.reports() == [Event.RECORDED]


def test_the_attempt_is_counted_before_the_work() -> None:
    child = Child()
    counted: list[int] = []

    def work(_task: Task) -> Outcome:
        counted.append(child.record().attempts)
        return DONE

    Frame(child.claims, child.frame.leases, {TaskKind.SIMULATE: work}, untraced()).carry_out(task())
    assert counted == [1]


@pytest.mark.parametrize(
    ("deadline", "verdict"), [(START, "past its deadline"), (LATE, "recorded"), (None, "recorded")]
)
def test_a_run_past_its_deadline_is_not_begun(deadline: float | None, verdict: str) -> None:
    child = Child()
    assert child.frame.carry_out(task(deadline=deadline)) == verdict
    assert (child.queue.server.record(RUN) is None) == (verdict == "past its deadline")


@pytest.mark.parametrize("why", Stop)
def test_a_stopped_run_is_not_begun(why: Stop) -> None:
    child = Child()
    child.queue.server.written_record(RUN).stop = why
    assert child.frame.carry_out(task()) == why
    assert (child.record().attempts, child.reports()) == (0, [])


def test_a_run_that_another_worker_holds_is_not_begun() -> None:
    child = Child()
    child.queue.claims("two").claim(task())
    assert child.frame.carry_out(task()) == "leased"
    assert child.record().attempts == 1


@pytest.mark.parametrize("verdict", [*Stop, "lost", "past its deadline"])
def test_a_run_that_is_stopped_while_it_works_records_nothing_and_ends_its_lease(verdict: str) -> None:
    child = raising(Stopped(verdict))
    assert child.frame.carry_out(task()) == verdict
    record = child.record()
    assert (record.outcome, record.error, record.lease, record.attempts) == (None, None, None, 0)
    assert child.reports() == []


def test_an_unexpected_error_fails_the_attempt() -> None:
    child = raising(ValueError("singular matrix"))
    assert child.frame.carry_out(task()) == "attempt failed: ValueError"
    assert (child.record().error, child.reports()) == ("ValueError: singular matrix", [Event.ATTEMPT_FAILED])


def test_a_long_error_is_cut() -> None:
    child = raising(ValueError("x" * 10_000))
    child.frame.carry_out(task())
    assert len(child.record().error or "") == ERROR_LENGTH


def test_an_error_that_may_pass_is_tried_again_without_the_word_failed() -> None:
    child = raising(TryAgain("MLflow is away."))
    assert child.frame.carry_out(task()) == "to be tried again: TryAgain"
    assert child.record().error == "MLflow is away."


@pytest.mark.parametrize("error", [ValueError("singular matrix"), TryAgain("MLflow is away.")])
def test_the_last_attempt_is_reported_as_the_last(error: Exception) -> None:
    child = raising(error)
    assert child.frame.carry_out(task(attempt_limit=1)) == f"last attempt failed: {type(error).__name__}"


def test_a_failed_attempt_ends_its_lease_so_that_the_next_begins_at_once() -> None:
    child = raising(ValueError("singular matrix"))
    child.frame.carry_out(task())
    assert child.queue.claims("two").claim(task()) == "claimed"


@pytest.mark.parametrize("stop", [SystemExit(75), KeyboardInterrupt()])
def test_a_process_that_is_ended_gives_its_attempt_back(stop: BaseException) -> None:
    child = raising(stop)
    with pytest.raises(type(stop)):
        child.frame.carry_out(task())
    assert (child.record().attempts, child.record().lease, child.reports()) == (0, None, [])


def test_the_result_of_a_run_that_was_taken_over_is_not_recorded() -> None:
    child = Child()

    def work(_task: Task) -> Outcome:
        child.record().lease_until = 0.0
        assert child.queue.claims("two").claim(task()) == "claimed"
        return DONE

    frame = Frame(child.claims, child.frame.leases, {TaskKind.SIMULATE: work}, untraced())
    assert frame.carry_out(task()) == "recorded by another"
    assert child.record().outcome is None


def test_the_lease_is_renewed_while_the_work_goes_on_and_no_longer() -> None:
    held: list[str | None] = []
    child = Child()
    leases = child.frame.leases

    def work(_task: Task) -> Outcome:
        held.append(leases._held.get(RUN))  # noqa: SLF001 - what the thread renews
        return DONE

    Frame(child.claims, leases, {TaskKind.SIMULATE: work}, untraced()).carry_out(task(), "tag")
    assert held == ["tag"]
    assert leases._held == {}  # noqa: SLF001 - likewise


@dataclass
class Renewing(LeaseThread):
    """Checks when it is released."""

    released: list[bytes | None] = field(default_factory=list)
    child: Child | None = None

    def release(self, run: str) -> None:
        assert self.child is not None
        self.released.append(self.child.record().outcome)
        super().release(run)


def test_renewing_ends_before_the_record_does() -> None:
    child = Child()
    leases = Renewing(child.claims, lambda: None, child=child)
    Frame(child.claims, leases, {TaskKind.SIMULATE: lambda _task: DONE}, untraced()).carry_out(task())
    assert leases.released == [None]


# The Celery tasks around the frame.


@pytest.fixture
def child() -> Child:
    return Child()


@pytest.fixture
def app(child: Child) -> Celery:
    return application(frame=lambda: child.frame)


def test_there_is_a_celery_task_for_each_kind(app: Celery) -> None:
    ours = {name for name in app.tasks if name.startswith("twinops.")}
    assert ours == {f"twinops.{kind}" for kind in TaskKind}


def test_a_celery_task_returns_the_verdict(app: Celery, child: Child) -> None:
    assert traced(app, task()).retval == "recorded"
    assert child.record().outcome is not None


def test_a_task_whose_worker_drains_is_rejected_and_its_message_goes_back(app: Celery, child: Child) -> None:
    child.queue.server.content().draining["one"] = START + 60
    end = traced(app, task()).info
    assert (end.state, end.retval.reason, end.retval.requeue) == ("REJECTED", "draining", True)


def test_an_exhausted_task_is_rejected_for_ever(app: Celery, child: Child) -> None:
    child.queue.server.written_record(RUN).attempts = 2
    end = traced(app, task()).info
    assert (end.state, end.retval.reason, end.retval.requeue) == ("REJECTED", "exhausted", False)


def test_a_task_that_cannot_reach_redis_is_delivered_again(app: Celery, child: Child) -> None:
    child.queue.reachable = False
    end = traced(app, task()).info
    assert (end.state, end.retval.requeue) == ("REJECTED", True)
    assert isinstance(end.retval.__cause__, RedisConnectionError)


def test_the_work_runs_within_the_trace_that_its_message_names(child: Child) -> None:
    traces: list[str | None] = []

    def work(_task: Task) -> Outcome:
        context = current_trace()
        traces.append(format_trace_id(context.trace_id) if context else None)
        return DONE

    frame = Frame(child.claims, child.frame.leases, {TaskKind.SIMULATE: work}, untraced())
    context = parse(f"00-{TRACE}-b7ad6b7169203331-01")
    assert context is not None
    traced(application(frame=lambda: frame), task(trace=RunTrace(context)))
    assert traces == [TRACE]
    assert current_trace() is None


def test_two_applications_in_one_process_have_tasks_of_their_own(child: Child) -> None:
    other = Child()
    first, second = application(frame=lambda: child.frame), application(frame=lambda: other.frame)
    traced(second, task())
    assert child.queue.server.record(RUN) is None
    assert other.record().outcome is not None
    assert first.tasks["twinops.simulate"] is not second.tasks["twinops.simulate"]


def test_the_lease_of_a_task_is_renewed_together_with_its_delivery(app: Celery, child: Child) -> None:
    held: list[str | None] = []

    def work(_task: Task) -> Outcome:
        held.extend(child.frame.leases._held.values())  # noqa: SLF001 - what the thread renews
        return DONE

    child.frame = Frame(child.claims, child.frame.leases, {TaskKind.SIMULATE: work}, untraced())
    traced(app, task())
    (tag,) = held
    assert uuid.UUID(tag or "")


@pytest.mark.parametrize("kind", [ConnectionError, TryAgain])
def test_the_error_of_an_attempt_is_reported_without_the_credentials_of_an_address(kind: type[Exception]) -> None:
    child = raising(kind("no answer from http://bob:sesame@mlflow:5000/api"))
    child.frame.carry_out(task())
    assert (child.record().error or "").endswith("no answer from http://**@mlflow:5000/api")

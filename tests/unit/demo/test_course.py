"""What is seen of a burst, and whether it was as promised."""

from typing import Any

from demo.claims import Claim
from demo.course import Course, Moment

NOON = 1_764_072_000.0  # 2025-11-25T12:00:00Z
STABILISATION = 15


def status(replicas: int, ready: int | None = None, **figures: Any) -> dict[str, Any]:
    return {"replicas": replicas, "readyReplicas": replicas if ready is None else ready, **figures}


def pool(replicas: int) -> dict[str, Any]:
    return status(replicas, desiredReplicas=replicas)


def simulation(worker: str, completed: str = "2025-11-25T12:00:20Z", attempts: int = 1) -> dict[str, Any]:
    return {
        "status": {"phase": "Succeeded", "attempts": attempts, "worker": worker, "completionTime": completed},
    }


def course() -> Course:
    """Two questions: a worker is wanted after 1 s, both are answered after 20 s, the pool is empty after 38 s."""
    seen = Course(total=2, begun=NOON)
    seen.take_pool(NOON - 1, pool(0))
    seen.take_simulation(NOON, "a", "Pending")
    seen.take_pool(NOON + 1, status(0, desiredReplicas=2))
    seen.take_pool(NOON + 5, pool(2))
    seen.take_simulation(NOON + 19, "a", "Succeeded")
    seen.take_simulation(NOON + 20, "b", "Succeeded")
    seen.take_pod(NOON + 36, "burst-1", "")
    seen.take_pod(NOON + 37, "burst-1", "2025-11-25T12:02:37Z")
    seen.take_pool(NOON + 38, pool(0))
    return seen


def broken(claims: list[Claim]) -> list[tuple[str, str]]:
    return [(claim.about, claim.found) for claim in claims if not claim.kept]


def test_a_burst_as_promised_keeps_every_claim() -> None:
    claims = course().claims([simulation("burst-1"), simulation("burst-2")], STABILISATION)
    assert [claim.found for claim in claims] == ["1.0 s", "2", "2", "2", "18.0 s", "0"]
    assert broken(claims) == []


def test_a_second_attempt_is_told() -> None:
    claims = course().claims([simulation("burst-1", attempts=2), simulation("burst-2")], STABILISATION)
    assert broken(claims) == [("those done at the first attempt, none twice", "1")]


def test_a_worker_that_ends_a_question_after_it_was_asked_to_go_had_one_in_hand() -> None:
    late = simulation("burst-1", completed="2025-11-25T12:00:38Z")
    claims = course().claims([late, simulation("burst-2")], STABILISATION)
    assert broken(claims) == [("workers that were ended while they answered a question", "1")]


def test_a_pool_that_is_late_breaks_its_claims() -> None:
    seen = course()
    seen.wanted, seen.back, seen.most = NOON + 2.5, NOON + 50, 1
    claims = seen.claims([simulation("burst-1"), simulation("burst-2")], STABILISATION)
    assert [found for _, found in broken(claims)] == ["2.5 s", "1", "30.0 s"]


def test_what_was_never_seen_is_told_as_nothing() -> None:
    claims = Course(total=2, begun=NOON).claims([], STABILISATION)
    assert [claim.found for claim in claims] == ["nothing", "0", "0", "0", "nothing", "0"]
    assert len(broken(claims)) == 5


def test_an_empty_pool_counts_as_back_only_after_the_last_answer() -> None:
    seen = Course(total=1, begun=NOON)
    seen.take_simulation(NOON, "a", "Pending")
    seen.take_pool(NOON + 1, pool(0))
    assert seen.back is None
    seen.take_simulation(NOON + 2, "a", "Succeeded")
    seen.take_pool(NOON + 3, status(1, desiredReplicas=0))
    assert seen.back is None
    seen.take_pool(NOON + 4, pool(0))
    assert seen.back == NOON + 4


def test_a_simulation_that_is_seen_twice_at_its_end_counts_once() -> None:
    seen = Course(total=2, begun=NOON)
    for _ in range(2):
        seen.take_simulation(NOON, "a", "Succeeded")
    assert seen.moment(NOON).done == 1
    assert seen.answered is None


def test_a_moment_is_what_the_status_says() -> None:
    seen = Course(total=2, begun=NOON)
    queues = [{"name": "burst", "depth": 40, "oldestSeconds": 3.2}, {"name": "other", "depth": 2}]
    figures = {"running": 2, "arrivalsPerSecond": 12.5, "secondsPerTask": 0.05, "drainSeconds": 0.7}
    seen.take_pool(NOON, status(3, ready=2, desiredReplicas=3, queues=queues, **figures))
    assert seen.moment(NOON + 4) == Moment(
        at=4.0, waiting=42, oldest=3.2, running=2, ready=2, desired=3, arrivals=12.5, per_task=0.05, drain=0.7, done=0
    )


def test_a_pool_that_has_told_nothing_yet_has_nothing() -> None:
    moment = Course(total=2, begun=NOON).moment(NOON)
    assert (moment.waiting, moment.oldest, moment.ready, moment.drain) == (0, None, 0, None)

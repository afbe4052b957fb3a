"""The places of a queue: bounded in number and bytes, the most urgent first, round-robin over namespaces."""

from __future__ import annotations

import pytest

from tests.fakes.ready_twin import simulation
from twin_operator.api.v1alpha1 import Simulation
from twin_operator.services.reconciling.window import Bound, Candidate, PublicationWindow, QueueLimits
from twin_operator.services.simulations.decide import MESSAGE_BYTES, message_size


def window(
    runs: int = 1000, size: int = 1_000_000, of_one: int = 1000, size_of_one: int = 1_000_000
) -> PublicationWindow:
    """Return the places of queues; `of_one` and `size_of_one` are the bounds of a namespace."""
    return PublicationWindow(QueueLimits(queue=Bound(runs, size), namespace=Bound(of_one, size_of_one)))


def candidate(uid: str, priority: int = 5, size: int = 1, queue: str = "simulations") -> Candidate:
    """Return a candidate whose uid begins with its namespace."""
    return Candidate(uid, uid[0], queue, priority, size)


def order(*uids: str, places: PublicationWindow | None = None) -> str:
    """Request places for candidates, one free place at a time, and return the order in which they get one."""
    chosen = places or window(runs=1)
    for uid in uids:
        chosen.request(candidate(uid))
    taken = []
    while granted := chosen.grant():
        taken += granted
        chosen.release(granted[0])
    return " ".join(taken)


def test_all_get_a_place_while_there_are_some() -> None:
    places = window()
    for uid in ("a1", "a2", "b1"):
        places.request(candidate(uid))
    assert set(places.grant()) == {"a1", "a2", "b1"}
    assert places.grant() == []


def test_namespaces_take_turns_however_many_each_has() -> None:
    assert order("a1", "a2", "a3", "a4", "b1", "c1", "b2") == "a1 b1 c1 a2 b2 a3 a4"


def test_a_namespace_that_comes_later_is_not_behind_all_the_others() -> None:
    places = window(runs=1)
    for number in range(1000):
        places.request(candidate(f"a{number}"))
    places.release(places.grant()[0])
    places.request(candidate("b"))
    taken = []
    for _ in range(2):
        taken += (granted := places.grant())
        places.release(granted[0])
    assert "b" in taken


def test_the_most_urgent_come_first_whatever_their_namespace() -> None:
    places = window(runs=1)
    for uid, priority in (("a1", 0), ("a2", 9), ("b1", 5), ("a3", 9)):
        places.request(candidate(uid, priority))
    assert order(places=places) == "a2 a3 b1 a1"


def test_no_more_than_the_limit_have_a_place_of_a_queue_and_other_queues_are_free() -> None:
    places = window(runs=2)
    for uid in ("a1", "a2", "a3"):
        places.request(candidate(uid))
    places.request(candidate("b1", queue="trials"))
    assert sorted(places.grant()) == ["a1", "a2", "b1"]
    assert (places.waiting("simulations"), places.waiting("trials")) == (1, 0)
    assert places.release("a1")
    assert places.grant() == ["a3"]


def test_bytes_are_bounded_and_one_that_is_larger_than_the_bound_gets_a_place_alone() -> None:
    places = window(size=100)
    for uid, size in (("a1", 60), ("b1", 60), ("c1", 1000)):
        places.request(candidate(uid, size=size))
    assert places.grant() == ["a1"]
    assert places.release("a1")
    assert places.grant() == ["b1"]
    assert places.release("b1")
    assert places.grant() == ["c1"]


def test_a_namespace_has_no_more_places_of_a_queue_than_its_own_bound() -> None:
    places = window(of_one=2)
    for uid in ("a1", "a2", "a3", "b1"):
        places.request(candidate(uid))
    places.request(candidate("a4", queue="trials"))
    assert sorted(places.grant()) == ["a1", "a2", "a4", "b1"]
    assert places.release("a1")
    assert places.grant() == ["a3"]


def test_the_bytes_of_a_namespace_are_bounded() -> None:
    places = window(size_of_one=100)
    for uid, size in (("a1", 60), ("a2", 60), ("b1", 1000)):
        places.request(candidate(uid, size=size))
    assert sorted(places.grant()) == ["a1", "b1"]
    assert places.release("a1")
    assert places.grant() == ["a2"]


def test_a_less_urgent_run_of_another_namespace_passes_those_whose_namespace_has_its_share() -> None:
    places = window(of_one=1)
    for uid, priority in (("a1", 9), ("a2", 9), ("b1", 0)):
        places.request(candidate(uid, priority))
    assert places.grant() == ["a1", "b1"]


def test_a_repeated_request_is_one() -> None:
    places = window()
    for _ in range(3):
        places.request(candidate("a1"))
    assert places.grant() == ["a1"]
    places.request(candidate("a1"))
    assert places.grant() == []
    assert places.has("a1")


def test_a_request_that_is_taken_back_gets_no_place() -> None:
    places = window(runs=1)
    for uid in ("a1", "b1", "c1"):
        places.request(candidate(uid))
    places.grant()
    assert not places.release("b1")
    assert places.release("a1")
    assert places.grant() == ["c1"]
    assert places.waiting("simulations") == 0


def test_what_an_earlier_leader_published_has_a_place() -> None:
    places = window(runs=1)
    places.request(candidate("a1"))
    places.occupy(candidate("a1"))
    places.occupy(candidate("a1"))
    places.request(candidate("b1"))
    assert places.grant() == []
    assert places.release("a1")
    assert places.grant() == ["b1"]


@pytest.mark.parametrize(
    ("population", "more"), [({}, 0), ({"where": [{"feature": "age", "operator": "In", "values": ["6", "12"]}]}, 9)]
)
def test_the_size_of_a_message_grows_with_the_values_that_select_its_population(
    population: dict[str, object], more: int
) -> None:
    body = simulation(population=population)
    body["metadata"] |= {"uid": "u", "resourceVersion": "1", "namespace": "n"}
    assert message_size(Simulation.model_validate(body)) == MESSAGE_BYTES + more

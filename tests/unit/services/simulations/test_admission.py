"""What is kept of unfinished Simulations: bounded for a namespace and in all, and first come, first kept."""

from __future__ import annotations

import pytest

from twin_operator.services.simulations.admission import Admission, Applicant, NamespaceLimits


def admission(runs: int = 100, size: int = 1000, size_in_all: int = 10_000) -> Admission:
    return Admission(NamespaceLimits(runs, size, size_in_all))


def applicant(uid: str, size: int = 1) -> Applicant:
    """Return an applicant whose uid begins with its namespace."""
    return Applicant(uid, uid[0], uid, size)


def admitted(site: Admission, *uids: str, size: int = 1) -> list[bool]:
    return [site.admit(applicant(uid, size)) for uid in uids]


def let_in(site: Admission) -> list[str]:
    """Let everybody in for whom there is room; return them in the order."""
    came = []
    while (each := site.next_with_room()) is not None:
        site.release(each.uid, each.namespace)
        site.keep(each)
        came.append(each.uid)
    return came


def test_as_many_of_a_namespace_are_kept_as_its_limit_says() -> None:
    site = admission(runs=2)
    assert admitted(site, "a1", "a2", "a3", "b1") == [True, True, False, True]
    assert site.parked == 1


def test_bytes_of_a_namespace_are_bounded_and_a_first_one_is_kept_however_large_it_is() -> None:
    site = admission(size=100)
    assert admitted(site, "a1", "a2", size=60) == [True, False]
    assert admitted(site, "b1", size=5000) == [True]


def test_one_that_is_kept_or_parked_is_so_when_it_comes_again() -> None:
    site = admission(runs=1)
    assert admitted(site, "a1", "a2", "a1", "a2") == [True, False, True, False]
    assert site.parked == 1


def test_those_that_came_first_are_kept_first() -> None:
    site = admission(runs=2)
    admitted(site, "a1", "a2", "a3", "a4")
    site.release("a1", "a")
    assert admitted(site, "a5") == [False]
    assert let_in(site) == ["a3"]
    site.release("a2", "a")
    site.release("a3", "a")
    assert let_in(site) == ["a4", "a5"]


def test_beyond_the_bound_in_all_a_namespace_gets_an_equal_share() -> None:
    site = admission(size=1000, size_in_all=1000)
    assert admitted(site, *(f"a{number}" for number in range(20)), size=50) == [True] * 20
    assert admitted(site, "a20", size=50) == [False]
    few = admitted(site, *(f"b{number}" for number in range(20)), size=50)
    assert few == [True] * 10 + [False] * 10  # half of the bound in all, although that is used up


def test_parked_namespaces_take_turns() -> None:
    site = admission(size=100, size_in_all=100)
    admitted(site, "a1", "b1", size=50)
    admitted(site, "a2", "a3", "b2", "b3", size=25)
    site.release("a1", "a")
    site.release("b1", "b")
    assert let_in(site) == ["a2", "b2", "a3", "b3"]


@pytest.mark.parametrize("uid", ["a1", "a2"])
def test_one_that_is_gone_leaves_nothing(uid: str) -> None:
    site = admission(runs=1)
    admitted(site, "a1", "a2")
    site.release(uid, "a")
    assert let_in(site) == (["a2"] if uid == "a1" else [])
    assert site.parked == 0


def test_each_parked_one_is_announced_once_and_namespaces_take_turns() -> None:
    site = admission(runs=1)
    admitted(site, "a1", "a2", "a3", "a4", "b1", "b2", "b3")
    site.release("a3", "a")
    announced = []
    while (each := site.next_unannounced()) is not None:
        announced.append(each.uid)
    assert announced == ["a2", "b2", "a4", "b3"]


def test_one_whose_answer_came_is_kept_beyond_the_limit() -> None:
    site = admission(runs=1)
    admitted(site, "a1", "a2")
    site.keep(applicant("a2"))
    assert (site.parked, admitted(site, "a2", "a3")) == (0, [True, False])

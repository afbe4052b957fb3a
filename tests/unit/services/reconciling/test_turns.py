"""Turns of namespaces: bounded in all and for one namespace, round-robin, and not lost by a cancelled request."""

from __future__ import annotations

import asyncio

import pytest

from twin_operator.services.reconciling.turns import NamespaceTurns, in_turns

pytestmark = pytest.mark.looptime


class Site:
    """Work of namespaces that takes a second each, and the order in which it began."""

    def __init__(self, at_once: int, of_one: int) -> None:
        self.turns = NamespaceTurns(at_once, of_one)
        self.began: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []

    def request(self, namespace: str, times: int = 1) -> None:
        self.tasks += [asyncio.create_task(self._work(namespace)) for _ in range(times)]

    async def _work(self, namespace: str) -> None:
        async with self.turns.turn(namespace):
            self.began.append(namespace)
            await asyncio.sleep(1)

    async def end(self) -> str:
        await asyncio.gather(*self.tasks, return_exceptions=True)
        return "".join(self.began)


async def test_namespaces_come_in_turn_however_many_requests_each_has() -> None:
    site = Site(at_once=1, of_one=1)
    site.request("a", 5)
    site.request("b", 2)
    site.request("c")
    assert await site.end() == "abcabaaa"  # not "aabcbaaa": the first had its turn before the others came


async def test_no_more_than_the_limit_run_at_once() -> None:
    site = Site(at_once=3, of_one=3)
    site.request("a", 7)
    await asyncio.sleep(0.5)
    assert site.began == ["a"] * 3
    await site.end()
    assert asyncio.get_running_loop().time() == pytest.approx(3, abs=0.1)


async def test_one_namespace_leaves_turns_for_another() -> None:
    site = Site(at_once=3, of_one=2)
    site.request("a", 9)
    await asyncio.sleep(0.5)
    assert site.began == ["a", "a"]
    site.request("b")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert site.began == ["a", "a", "b"]
    await site.end()


@pytest.mark.parametrize("at", [0.0, 0.5, 1.0])
async def test_a_cancelled_request_keeps_no_turn(at: float) -> None:
    site = Site(at_once=1, of_one=1)
    site.request("a", 3)
    await asyncio.sleep(at)
    for task in site.tasks[:2]:
        task.cancel()
    site.request("b", 2)
    assert (await site.end()).endswith("b")
    assert site.began.count("b") == 2
    assert not any([*site.turns._held.values(), *site.turns._waiting.values()])  # noqa: SLF001


def test_items_come_round_robin_over_namespaces_and_in_their_order() -> None:
    assert in_turns(["a1", "a2", "a3", "b1", "b2", "c1"], lambda item: item[0]) == ["a1", "b1", "c1", "a2", "b2", "a3"]

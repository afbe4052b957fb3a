"""Whose queues are served, and which pools a published task wakes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twin_operator.services.pools.pool_index import Key, KnownPools

STALLED = [{"type": "Stalled", "status": "True", "reason": "InvalidTemplate", "message": ""}]


def body(name: str = "p", generation: int = 1, ready: int = 0, **changes: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": changes.pop("namespace", "ops"), "uid": name, "generation": generation}
    status = {"readyReplicas": ready, "conditions": changes.pop("conditions", [])}
    return {"metadata": metadata, "spec": {"queues": ["a"], **changes}, "status": status}


def known_pools(on_gone: Callable[[Key], None] = lambda _key: None) -> KnownPools:
    return KnownPools({"ops"}, on_gone)


def served(*bodies: dict[str, Any]) -> frozenset[str]:
    known = known_pools()
    for each in bodies:
        known.observe(each, deleted=False)
    return known.served


FOLLOWS = {"autoscaling": {"maxReplicas": 2}}


def test_a_queue_is_served_by_ready_workers_or_by_such_as_will_come() -> None:
    assert served(body(ready=1)) == {"a"}
    assert served(body(**FOLLOWS)) == {"a"}
    assert served(body()) == frozenset()
    assert served(body(conditions=STALLED, **FOLLOWS)) == frozenset()
    assert served(body(conditions=STALLED, ready=1, **FOLLOWS)) == {"a"}
    assert served(body(namespace="elsewhere", ready=1)) == frozenset()


def test_an_echo_of_our_own_status_is_nothing_to_act_on() -> None:
    known = known_pools()
    assert known.observe(body(), deleted=False) == [("ops", "p")]
    assert known.observe(body(ready=1), deleted=False) == []
    assert known.observe(body(generation=2), deleted=False) == [("ops", "p")]


def test_a_pool_that_goes_leaves_its_queues_to_others() -> None:
    gone: list[Any] = []
    known = known_pools(gone.append)
    known.observe(body("first"), deleted=False)
    known.observe(body("second"), deleted=False)
    assert known.observe(body("first"), deleted=True) == [("ops", "second")]
    assert gone == [("ops", "first")]


def deployment(replicas: int, generation: int = 1, uid: str = "d") -> dict[str, Any]:
    metadata = {"name": "p", "namespace": "ops", "uid": uid, "generation": generation}
    return {"metadata": metadata, "spec": {"replicas": replicas}}


def test_a_published_task_wakes_a_pool_that_has_no_worker() -> None:
    known = known_pools()
    known.observe(body(**FOLLOWS), deleted=False)
    known.observe(body("fixed", queues=["b"]), deleted=False)
    assert known.at_zero(["a", "b"]) == [("ops", "p")]
    assert known.at_zero(["b"]) == []
    known.observe_deployment(deployment(1), deleted=False)
    assert known.at_zero(["a"]) == []


def test_watches_that_are_behind_do_not_undo_what_was_written() -> None:
    known = known_pools()
    known.observe(body(**FOLLOWS), deleted=False)
    known.observe_deployment(deployment(2, generation=5), deleted=False)
    known.observe_deployment(deployment(0, generation=4), deleted=False)
    known.observe_deployment(deployment(0, uid="earlier"), deleted=True)
    pool = known.get(("ops", "p"))
    assert pool is not None
    assert pool.deployment == deployment(2, generation=5)
    known.observe_deployment(deployment(2, generation=5), deleted=True)
    assert pool.deployment is None

"""Which pools are accepted, whose queues are served, and which pools a published task scales up."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.services.pools.objects import NAMESPACE, SCALED, deployment, worker_pool
from twin_operator.api.v1alpha1 import WorkerPool
from twin_operator.api.v1alpha1.conditions import Condition, ConditionStatus, ConditionType, Reason
from twin_operator.services.pools.pool_index import PoolIndex
from twin_operator.services.pools.ports import Key
from twin_operator.services.pools.queue_owners import refusal

KEY = (NAMESPACE, "light")
STALLED = (
    Condition(type=ConditionType.STALLED, status=ConditionStatus.TRUE, reason=Reason.INVALID_TEMPLATE, message=""),
)


def pool_index(on_deleted: Callable[[Key], None] = lambda _key: None) -> PoolIndex:
    return PoolIndex({NAMESPACE}, on_deleted)


def refused(pool: WorkerPool, *others: WorkerPool) -> str | None:
    facts = refusal(pool, others, {NAMESPACE})
    return facts[0].reason if facts else None


def test_a_pool_that_is_refused_takes_no_queue() -> None:
    assert refused(worker_pool("new", day=2), worker_pool("old", namespace="elsewhere")) is None


def test_the_older_pool_keeps_a_queue() -> None:
    old, new = worker_pool("old"), worker_pool("new", day=2)
    assert refused(old, new) is None
    assert refused(new, old) == Reason.QUEUE_TAKEN


def test_of_two_pools_of_one_second_exactly_one_keeps_a_queue() -> None:
    one, other = worker_pool("one"), worker_pool("other")
    assert {refused(one, other), refused(other, one)} == {None, Reason.QUEUE_TAKEN}


def test_pools_of_other_namespaces_are_refused() -> None:
    assert refused(worker_pool(namespace="elsewhere")) == Reason.NAMESPACE_NOT_ALLOWED


@pytest.mark.parametrize(
    ("pool", "served"),
    [
        (worker_pool(ready=1), {"simulations"}),
        (worker_pool(autoscaling=SCALED), {"simulations"}),
        (worker_pool(), set()),
        (worker_pool(conditions=STALLED, autoscaling=SCALED), set()),
        (worker_pool(conditions=STALLED, ready=1, autoscaling=SCALED), {"simulations"}),
        (worker_pool(namespace="elsewhere", ready=1), set()),
    ],
)
def test_a_queue_is_served_by_ready_workers_or_by_such_as_will_come(pool: WorkerPool, served: set[str]) -> None:
    index = pool_index()
    index.observe(pool, deleted=False)
    assert index.served == served


def test_a_pool_whose_new_template_is_refused_serves_its_queue_with_the_workers_of_the_earlier_one() -> None:
    index, pool = pool_index(), worker_pool(conditions=STALLED, autoscaling=SCALED)
    index.observe(pool, deleted=False)
    owned = deployment()
    index.observe_deployment(owned, deleted=False)
    assert index.served == {"simulations"}
    index.observe_deployment(owned, deleted=True)
    assert index.served == set()


def test_the_watch_event_of_our_own_status_write_needs_no_reconciliation() -> None:
    index = pool_index()
    assert index.observe(worker_pool(), deleted=False) == [KEY]
    assert index.observe(worker_pool(ready=1), deleted=False) == []
    assert index.observe(worker_pool(generation=2), deleted=False) == [KEY]


def test_a_pool_that_is_deleted_leaves_its_queues_to_others() -> None:
    deleted: list[Key] = []
    index = pool_index(deleted.append)
    index.observe(worker_pool("first"), deleted=False)
    index.observe(worker_pool("second"), deleted=False)
    assert index.observe(worker_pool("first"), deleted=True) == [(NAMESPACE, "second")]
    assert deleted == [(NAMESPACE, "first")]


def test_a_pool_concerns_younger_ones_of_its_queues_and_no_others() -> None:
    index = pool_index()
    index.observe(worker_pool("older"), deleted=False)
    index.observe(worker_pool("younger", day=3), deleted=False)
    index.observe(worker_pool("elsewhere", day=3, queues=("batch",)), deleted=False)
    between = worker_pool("between", day=2, queues=("simulations", "trials"))
    assert index.observe(between, deleted=False) == [(NAMESPACE, "between"), (NAMESPACE, "younger")]
    assert index.observe(between, deleted=True) == [(NAMESPACE, "younger")]


def test_a_queue_that_a_pool_leaves_is_served_no_more_and_the_next_pool_gets_it() -> None:
    index = pool_index()
    index.observe(worker_pool("older", queues=("simulations", "trials"), ready=1), deleted=False)
    index.observe(worker_pool("younger", day=2, queues=("trials",)), deleted=False)
    changed = worker_pool("older", queues=("batch",), ready=1, generation=2)
    assert index.observe(changed, deleted=False) == [(NAMESPACE, "older"), (NAMESPACE, "younger")]
    assert index.served == {"batch"}


DAYS = {"one": 1, "two": 2, "three": 2, "four": 3}


@st.composite
def events(draw: st.DrawFn) -> tuple[WorkerPool, bool]:
    """Draw an event of a pool of some of three queues; one that was created again has another uid and is younger."""
    queues = draw(st.sets(st.sampled_from(["simulations", "trials", "batch"]), min_size=1))
    name, again = draw(st.sampled_from(sorted(DAYS))), draw(st.booleans())
    pool = worker_pool(
        name,
        namespace=draw(st.sampled_from([NAMESPACE, NAMESPACE, "elsewhere"])),
        day=DAYS[name] + again,
        queues=tuple(sorted(queues)),
        ready=draw(st.integers(0, 1)),
        generation=draw(st.integers(1, 1_000_000_000)),
    )
    uid = f"{pool.uid}-{pool.namespace}-{again}"
    return pool.replace(metadata=pool.metadata.replace(uid=uid)), draw(st.booleans())


@given(st.lists(events(), max_size=20))
def test_after_any_events_all_is_as_if_every_pool_were_judged_again(happened: list[tuple[WorkerPool, bool]]) -> None:
    index, known = pool_index(), dict[Key, WorkerPool]()
    for pool, deleted in happened:
        before = {key: refused(each, *others(known, key)) for key, each in known.items()}
        concerned = index.observe(pool, deleted=deleted)
        if not deleted:
            known[pool.key] = pool
        elif pool.key in known and known[pool.key].uid == pool.uid:
            del known[pool.key]
        after = {key: refused(each, *others(known, key)) for key, each in known.items()}
        changed = {key for key, reason in after.items() if key in before and before[key] != reason}
        assert changed - {pool.key} <= set(concerned)
        serving = [each for key, each in known.items() if each.status.ready_replicas and after[key] is None]
        assert index.served == {queue for each in serving for queue in each.spec.queues}


def others(known: dict[Key, WorkerPool], key: Key) -> list[WorkerPool]:
    return [pool for other, pool in known.items() if other != key]


def test_a_late_deletion_of_an_earlier_pool_leaves_the_one_of_its_name() -> None:
    deleted: list[Key] = []
    index, pool = pool_index(deleted.append), worker_pool()
    index.observe(pool, deleted=False)
    earlier = pool.replace(metadata=pool.metadata.replace(uid="earlier"))
    assert index.observe(earlier, deleted=True) == []
    assert (index.keys, deleted) == ([KEY], [])


def test_a_published_task_scales_up_a_pool_that_has_no_worker() -> None:
    index = pool_index()
    index.observe(worker_pool(autoscaling=SCALED), deleted=False)
    index.observe(worker_pool("fixed", queues=("batch",)), deleted=False)
    assert index.scaled_to_zero(["simulations", "batch"]) == [KEY]
    assert index.scaled_to_zero(["batch"]) == []
    index.observe_deployment(deployment(1), deleted=False)
    assert index.scaled_to_zero(["simulations"]) == []


def test_watch_events_that_come_late_do_not_undo_what_was_written() -> None:
    index = pool_index()
    index.observe(worker_pool(autoscaling=SCALED), deleted=False)
    index.observe_deployment(deployment(2, generation=5), deleted=False)
    index.observe_deployment(deployment(0, generation=4), deleted=False)
    index.observe_deployment(deployment(0, uid="earlier"), deleted=True)
    pool = index.get(KEY)
    assert pool is not None
    assert pool.deployment == deployment(2, generation=5)
    index.observe_deployment(deployment(2, generation=5), deleted=True)
    assert pool.deployment is None

"""Messages, records and reports as operator and workers may rely on them, on a real Redis and in memory.

A test module of a Redis gives the fixture `system`, an empty `QueueSystem`, for this and `queue_claims` and
`queue_readings`, and `away`, one whose Redis does not answer, for `queue_outage`.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import orjson
import pytest

from tests.contracts.queue_system import DONE, QUEUE, QueueSystem, new_reports, run_of, taken, task
from twin_operator.adapters.redis_queue import keys
from twin_operator.services.runs.run import BoundVersion, Run, Stop, Target, TaskKind
from twin_operator.services.runs.tracing import RunTrace, span_context


def report(**changes: Any) -> bytes:
    """Return a report of a run that succeeded, with changes of it or of its target."""
    target = {"kind": "Simulation", "namespace": "n", "name": "s", "uid": "u"}
    own = {"event": "recorded", "run": "r", "kind": "simulate"}
    target |= {name: value for name, value in changes.items() if name in target}
    own |= {name: value for name, value in changes.items() if name not in target}
    return orjson.dumps({**own, "target": target})


async def test_what_is_published_is_found_in_its_queue(system: QueueSystem) -> None:
    urgent, plain = task(priority=9), task(priority=0)
    await system.queue.publish([urgent, plain])
    assert await system.queue.waiting([QUEUE]) == {urgent.run, plain.run}
    assert await system.queue.waiting(["training"]) == set()
    assert await system.queue.depths([QUEUE, "training"]) == {QUEUE: 2, "training": 0}


async def test_the_message_of_a_stopped_run_is_removed_and_no_other(system: QueueSystem) -> None:
    runs = [task(priority=priority) for priority in (0, 9) for _ in range(150)]
    await system.queue.publish(runs)
    gone = {each.run for each in runs[::3]}
    for run in gone:
        await system.queue.stop(run, Stop.DELETED)
    await system.queue.withdraw()
    assert await system.queue.waiting([QUEUE]) == {each.run for each in runs} - gone


async def test_the_message_of_a_run_that_goes_on_is_kept(system: QueueSystem) -> None:
    first, second = task(), task()
    await system.queue.publish([first, second])
    for each in (first, second):
        await system.queue.stop(each.run, Stop.SUSPENDED)
    await system.queue.resume(second.run)
    await system.queue.withdraw()
    assert await system.queue.waiting([QUEUE]) == {second.run}


async def test_a_message_that_a_worker_has_taken_is_its_own(system: QueueSystem) -> None:
    work = task()
    await system.queue.publish([work])
    taken(system)
    await system.queue.stop(work.run, Stop.DELETED)
    await system.queue.withdraw()
    assert await system.queue.waiting([QUEUE]) == {work.run}


async def test_a_publication_is_announced_by_its_queues(system: QueueSystem) -> None:
    announced: list[set[str]] = []
    system.on_publish(lambda queues: announced.append(set(queues)))
    await system.queue.publish([task(), task(queue="training"), task()])
    assert announced == [{QUEUE, "training"}]


async def test_a_message_arrives_as_it_was_published_with_the_context_of_its_trace(system: QueueSystem) -> None:
    parent, context = span_context(7, 3, sampled=False), span_context(7, 4, sampled=True)
    payload = {"spec": {"arm": "B", "share": 0.1}, "pair": ("a", 1), "none": None}
    work = task(kind=TaskKind.TRAIN, payload=payload, deadline=1e10, priority=7, trace=RunTrace(context, parent))
    await system.queue.publish([work])
    found = taken(system).task
    assert found.to_json() == {**work.to_json(), "payload": {**payload, "pair": ["a", 1]}}
    assert found.trace == RunTrace(context)


async def test_the_most_urgent_message_is_taken_first_and_then_the_oldest(system: QueueSystem) -> None:
    by_priority = [task(priority=priority) for priority in (0, 4, 5, 9)]
    again = task(priority=9)
    await system.queue.publish([*by_priority, again])
    consumer = system.consumer()
    order = [found.task.run for _ in range(5) if (found := consumer.take([QUEUE])) is not None]
    assert order == [by_priority[3].run, again.run, *(by_priority[n].run for n in (1, 2, 0))]
    assert consumer.take([QUEUE]) is None


async def test_a_delivered_message_waits_until_it_is_acknowledged_but_has_left_its_queue(system: QueueSystem) -> None:
    work = task()
    await system.queue.publish([work])
    consumer = system.consumer()
    found = consumer.take([QUEUE])
    assert found is not None
    assert await system.queue.depths([QUEUE]) == {QUEUE: 0}
    assert await system.queue.waiting([]) == {work.run}
    consumer.acknowledge(found)
    assert await system.queue.waiting([QUEUE]) == set()


@pytest.mark.parametrize(("end", "head"), [("restore", True), ("requeue", False)])
async def test_a_message_returns_to_the_head_of_its_queue_or_to_its_end(
    system: QueueSystem, end: str, *, head: bool
) -> None:
    first, second = task(), task()
    await system.queue.publish([first, second])
    consumer = system.consumer()
    found = consumer.take([QUEUE])
    assert found is not None
    getattr(consumer, end)(found)
    assert taken(system).task.run == (first.run if head else second.run)
    assert await system.queue.depths([QUEUE]) == {QUEUE: 1}


async def test_messages_of_a_worker_that_vanished_return_after_the_visibility_timeout(system: QueueSystem) -> None:
    works = [task(), task(), task()]
    await system.queue.publish(works)
    tags = [taken(system).tag for _ in works[:2]]
    system.pass_visibility_timeout(*tags)
    assert [taken(system).task.run for _ in works] == [work.run for work in works]


async def test_renewing_a_lease_keeps_the_message_with_its_worker(system: QueueSystem) -> None:
    work = task()
    await system.queue.publish([work])
    found, holder = taken(system), system.claims()
    holder.claim(found.task)
    system.pass_visibility_timeout(found.tag)
    holder.renew(work.run, found.tag)
    assert system.consumer().take([QUEUE]) is None


async def test_the_object_of_a_run_that_is_not_followed_is_known_by_its_message(system: QueueSystem) -> None:
    standing, delivered, followed = task(queue="training"), task(), task()
    await system.queue.publish([delivered, standing, followed])
    assert taken(system).task.run == delivered.run
    system.push(QUEUE, b"{{{ no JSON")
    assert await system.queue.targets({followed.target.uid}) == {
        standing.run: standing.target,
        delivered.run: delivered.target,
    }


async def test_the_object_that_a_message_names_is_of_its_run(system: QueueSystem) -> None:
    await system.queue.publish([replace(task(), target=Target("Simulation", "n", "s", "another"))])
    assert await system.queue.targets([]) == {}


async def test_what_tasks_take_of_a_queue_is_known_by_run_but_for_those_of_simulations(system: QueueSystem) -> None:
    standing, delivered = (task(kind=TaskKind.TRAIN, queue="training") for _ in range(2))
    elsewhere = task(kind=TaskKind.TRAIN)
    await system.queue.publish([delivered])
    taken(system, "training")
    await system.queue.publish([standing, elsewhere, task(queue="training")])
    found = await system.queue.task_messages("training")
    assert {run: (each.namespace, each.queue) for run, each in found.items()} == {
        standing.run: ("n", "training"),
        delivered.run: ("n", "training"),
    }
    assert min(each.size for each in found.values()) > 100


async def test_bytes_of_another_program_are_no_task(system: QueueSystem) -> None:
    system.push(QUEUE, b"{{{ no JSON")
    assert await system.queue.task_messages(QUEUE) == {}


async def test_bytes_of_another_program_count_and_are_no_run(system: QueueSystem) -> None:
    system.push(QUEUE, b"{{{ no JSON")
    assert await system.queue.depths([QUEUE]) == {QUEUE: 1}
    assert await system.queue.waiting([QUEUE]) == set()
    (reading,) = await system.loads.read([QUEUE])
    assert (reading.depth, reading.oldest_seconds) == (1, None)


async def test_a_run_without_a_record_reads_as_an_empty_one(system: QueueSystem) -> None:
    assert await system.queue.runs(["unknown"]) == {"unknown": Run()}
    assert await system.queue.runs([]) == {}


async def test_the_first_time_of_queueing_stays(system: QueueSystem) -> None:
    work = task()
    await system.queue.mark_queued({work.run: 1_000.25})
    await system.queue.mark_queued({work.run: 2_000.0})
    await system.queue.bind({work.run: BoundVersion("shop.letters", "1", "run-1")}, 3_000.0)
    assert (await run_of(system, work)).queued == 1_000.25
    assert system.life(work.run) == pytest.approx(60, abs=2)


async def test_the_version_of_a_run_is_the_one_that_it_was_published_with_last(system: QueueSystem) -> None:
    work = task()
    for version in (BoundVersion("shop.letters", "1", "run-1"), BoundVersion("shop.letters", "2", None)):
        await system.queue.bind({work.run: version}, 1_000.25)
    assert (await run_of(system, work)).bound == BoundVersion("shop.letters", "2", None)
    assert system.life(work.run) == pytest.approx(60, abs=2)


async def test_a_run_is_queued_when_its_version_is_bound(system: QueueSystem) -> None:
    work = task()
    await system.queue.bind({work.run: BoundVersion("shop.letters", "1", None)}, 1_000.25)
    assert (await run_of(system, work)).queued == 1_000.25


async def test_nothing_is_left_of_a_run_that_is_dropped(system: QueueSystem) -> None:
    work = task()
    await system.queue.mark_queued({work.run: 1_000.0})
    await system.queue.drop(work.run)
    assert await run_of(system, work) == Run()


async def test_the_message_of_a_forgotten_run_is_refused_until_the_run_starts_again(system: QueueSystem) -> None:
    work = task(limit=1)
    worker = system.claims()
    worker.claim(work)
    worker.record(work, DONE)
    await system.queue.forget([work.run])
    assert await run_of(system, work) == Run(stop=Stop.CANCELLED)
    assert system.claims().claim(work) == Stop.CANCELLED
    assert system.life(work.run) == pytest.approx(60 + keys.STOP_MARGIN_SECONDS, abs=2)
    await system.queue.resume(work.run)
    assert system.claims().claim(work) == "claimed"


async def test_the_holder_of_a_run_that_is_forgotten_has_lost_it(system: QueueSystem) -> None:
    work, worker = task(), system.claims()
    worker.claim(work)
    await system.queue.forget([work.run])
    assert worker.renew(work.run, None) == "lost"
    assert worker.record(work, DONE) is False


async def test_a_record_lives_its_time_from_the_latest_claim(system: QueueSystem) -> None:
    work = task()
    assert system.life(work.run) == 0
    system.claims().claim(work)
    assert system.life(work.run) == pytest.approx(60, abs=2)


BAD_REPORTS = {
    "no JSON": b"{",
    "another form": b"[1]",
    "without a target": b'{"event": "recorded", "run": "r", "kind": "simulate"}',
    "of another event": report(event="nonsense"),
    "a path as namespace": report(namespace="t1/../../../../../api/v1/namespaces/twin-operator"),
    "a path as name": report(name="../secrets/redis"),
    "dots as name": report(name=".."),
    "a number as name": report(name=1),
    "of a kind that has no runs": report(kind="Secret"),
    "a list as run": report(run=["r"]),
}


@pytest.mark.parametrize("content", BAD_REPORTS.values(), ids=BAD_REPORTS)
async def test_a_report_that_cannot_be_read_is_dropped_and_keeps_no_other(system: QueueSystem, content: bytes) -> None:
    work, holder = task(), system.claims()
    await new_reports(system)
    system.report(content)
    holder.claim(work)
    holder.record(work, DONE)
    found = await new_reports(system)
    assert [each.run for each in found] == [work.run]
    assert system.bad_records() == ["report"]
    await system.queue.acknowledge([each.entry for each in found])
    assert await system.queue.reports(pending=True) == []
    assert system.bad_records() == ["report"]


async def test_a_delivered_message_that_cannot_be_read_is_dropped_and_keeps_no_other(system: QueueSystem) -> None:
    work = task()
    await system.queue.publish([work])
    system.deliver(b"nonsense")
    assert await system.queue.waiting([QUEUE]) == {work.run}
    assert await system.queue.targets([]) == {work.run: work.target}
    assert system.bad_records() == ["delivered"]


async def test_reports_come_again_until_they_are_acknowledged(system: QueueSystem) -> None:
    work, worker = task(), system.claims()
    await system.queue.reports(pending=False, block_ms=1)
    worker.claim(work)
    worker.record(work, DONE)
    (report,) = await system.queue.reports(pending=False, block_ms=1)
    assert await system.queue.reports(pending=False, block_ms=1) == []
    assert await system.queue.reports(pending=True) == [report]
    await system.queue.acknowledge([report.entry])
    assert await system.queue.reports(pending=True) == []


async def test_a_report_is_not_pending_before_it_was_read(system: QueueSystem) -> None:
    await system.queue.reports(pending=True)
    work, worker = task(), system.claims()
    worker.claim(work)
    worker.record(work, DONE)
    assert await system.queue.reports(pending=True) == []


async def test_reports_come_in_their_order_and_some_at_a_time(system: QueueSystem) -> None:
    works = [task() for _ in range(3)]
    for work in works:
        worker = system.claims()
        worker.claim(work)
        worker.record(work, DONE)
    await system.queue.reports(pending=False, block_ms=1)
    pages = [await system.queue.reports(pending=False, block_ms=1, count=2) for _ in range(2)]
    assert [[report.run for report in page] for page in pages] == [[w.run for w in works[:2]], [works[2].run]]
    assert [r.run for r in await system.queue.reports(pending=True, count=2)] == [w.run for w in works[:2]]


async def test_a_read_waits_for_a_report(system: QueueSystem) -> None:
    await system.queue.reports(pending=False, block_ms=1)
    work, worker = task(), system.claims()
    worker.claim(work)
    reading = asyncio.create_task(system.queue.reports(pending=False, block_ms=120_000))
    await asyncio.sleep(0.05)
    assert not reading.done()
    worker.record(work, DONE)
    assert [report.run for report in await asyncio.wait_for(reading, 60)] == [work.run]


async def test_after_the_loss_of_every_key_reports_are_read_again(system: QueueSystem) -> None:
    await system.queue.reports(pending=False, block_ms=1)
    system.flush()
    work, worker = task(), system.claims()
    worker.claim(work)
    worker.record(work, DONE)
    assert [report.run for report in await new_reports(system)] == [work.run]

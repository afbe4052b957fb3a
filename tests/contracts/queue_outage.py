"""What callers get while Redis does not answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.contracts.queue_system import QUEUE, QueueSystem, task
from twin_operator.services.runs.run import BoundVersion, Stop

CALLS: dict[str, Callable[[QueueSystem], Awaitable[object]]] = {
    "publish": lambda system: system.queue.publish([task()]),
    "mark_queued": lambda system: system.queue.mark_queued({"run": 1.0}),
    "bind": lambda system: system.queue.bind({"run": BoundVersion("shop.letters", "1", None)}, 1.0),
    "runs": lambda system: system.queue.runs(["run"]),
    "stop": lambda system: system.queue.stop("run", Stop.DELETED),
    "resume": lambda system: system.queue.resume("run"),
    "forget": lambda system: system.queue.forget(["run"]),
    "drop": lambda system: system.queue.drop("run"),
    "waiting": lambda system: system.queue.waiting([QUEUE]),
    "depths": lambda system: system.queue.depths([QUEUE]),
    "new reports": lambda system: system.queue.reports(pending=False, block_ms=1),
    "pending reports": lambda system: system.queue.reports(pending=True),
    "acknowledge": lambda system: system.queue.acknowledge(["1-1"]),
    "outbox put": lambda system: system.outbox.put([{"n": 1}]),
    "outbox take": lambda system: system.outbox.take(1),
    "outbox drop": lambda system: system.outbox.drop(["1-1"]),
    "outbox length": lambda system: system.outbox.length(),
}


@pytest.mark.parametrize("call", CALLS)
async def test_every_call_fails_while_redis_does_not_answer(away: QueueSystem, call: str) -> None:
    with pytest.raises(RedisConnectionError):
        await CALLS[call](away)


LOADS: dict[str, Callable[[QueueSystem], Awaitable[object]]] = {
    "read": lambda system: system.loads.read([QUEUE]),
    "busy": lambda system: system.loads.busy([QUEUE]),
    "drain": lambda system: system.loads.drain(["pod-1"], 60),
    "release": lambda system: system.loads.release(["pod-1"]),
}


@pytest.mark.parametrize("call", LOADS)
async def test_readings_fail_as_connections_do_while_redis_does_not_answer(away: QueueSystem, call: str) -> None:
    with pytest.raises(ConnectionError):
        await LOADS[call](away)


async def test_nothing_is_asked_of_redis_where_nothing_is_to_be_done(away: QueueSystem) -> None:
    assert await away.queue.runs([]) == {}
    await away.queue.forget([])
    await away.queue.acknowledge([])
    await away.outbox.drop([])
    await away.loads.drain([], 60)
    await away.loads.release([])


def test_no_run_is_claimed_while_redis_does_not_answer(away: QueueSystem) -> None:
    with pytest.raises(RedisConnectionError):
        away.claims().claim(task())

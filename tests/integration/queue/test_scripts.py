"""Scripts that Redis has forgotten: workers wait until the operator has loaded them, and lose nothing."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import NoPermissionError, NoScriptError

from tests.contracts.queue_system import DONE, task
from tests.integration import redis_users
from tests.integration.brokers import key_types
from tests.integration.killable_redis import KillableRedis
from twin_operator.adapters.redis_queue.claims import Claims
from twin_operator.adapters.redis_queue.scripts import ServerUpkeep
from twin_operator.services.runs.run import Task

LONG = 60.0  # seconds of patience: no test waits for its end


@dataclass
class Forgetful:
    """A Redis of its own, with the chart's users."""

    server: KillableRedis
    clients: AsyncExitStack

    def upkeep(self, user: str = "operator") -> ServerUpkeep:
        redis = AsyncRedis.from_url(self.address(user))
        self.clients.push_async_callback(redis.aclose)
        return ServerUpkeep(redis, key_types(redis))

    def claims(self, patience: float = LONG) -> Claims:
        redis = Redis.from_url(self.address("worker"))
        self.clients.callback(redis.close)
        return Claims(redis, "pod-1", 10, 600, patience)

    def address(self, user: str) -> str:
        return redis_users.address(self.server.service.url, user)

    def forget(self, how: str) -> None:
        """Lose the scripts and no key."""
        if how == "restart":
            self.server.service.process.terminate()  # not killed: the last second of the log is written
            self.server.service.process.wait()
            self.server.stack.close()
            self.server.start()
        else:
            with Redis.from_url(self.server.service.url) as admin:
                admin.script_flush()


@pytest.fixture
async def forgetful(tmp_path: Path) -> AsyncIterator[Forgetful]:
    server = KillableRedis(tmp_path)
    async with AsyncExitStack() as clients:
        yield Forgetful(server, clients)
    server.stack.close()


CALLS: dict[str, tuple[Callable[[Claims, Task], Any], Any]] = {
    "renew": (lambda claims, work: claims.renew(work.run, None), "go on"),
    "record": (lambda claims, work: claims.record(work, DONE), True),
    "fail": (lambda claims, work: claims.fail_attempt(work, "boom"), True),
    "give back": (lambda claims, work: claims.give_back(work.run), None),
}


@pytest.mark.parametrize("how", ["restart", "script flush"])
async def test_a_claim_waits_for_the_scripts_and_is_one_attempt(forgetful: Forgetful, how: str) -> None:
    await forgetful.upkeep().keep()
    work, claims = task(), forgetful.claims()
    forgetful.forget(how)
    with ThreadPoolExecutor() as threads:
        claim = threads.submit(claims.claim, work)
        await forgetful.upkeep().keep()
        assert claim.result(LONG) == "claimed"
    assert claims.attempts(work.run) == 1


@pytest.mark.parametrize(("call", "answer"), CALLS.values(), ids=CALLS)
async def test_a_holder_waits_for_the_scripts_too(
    forgetful: Forgetful, call: Callable[[Claims, Task], Any], answer: Any
) -> None:
    await forgetful.upkeep().keep()
    work, claims = task(), forgetful.claims()
    claims.claim(work)
    forgetful.forget("script flush")
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(call, claims, work)
        await forgetful.upkeep().keep()
        assert waiting.result(LONG) == answer


async def test_a_worker_without_an_operator_gives_up_and_has_changed_nothing(forgetful: Forgetful) -> None:
    work, claims = task(), forgetful.claims(patience=0)
    with pytest.raises(NoScriptError):
        claims.claim(work)
    assert claims.attempts(work.run) == 0


async def test_an_operator_whose_user_may_load_no_scripts_says_so_once(
    forgetful: Forgetful, caplog: pytest.LogCaptureFixture
) -> None:
    upkeep = forgetful.upkeep("worker")
    with caplog.at_level(logging.ERROR):
        for _ in range(2):
            with pytest.raises(NoPermissionError):
                await upkeep.keep()
    assert [record.message for record in caplog.records if "load scripts" in record.message] == [
        "Let the operator's user of Redis load scripts (docs/redis.md): no worker can work."
    ]

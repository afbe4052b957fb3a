"""Single writes by a client with a password of Redis: each affects its own run at most.

Each write is made as an administrator too, for installations where all share one account.
"""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import NoPermissionError, ResponseError

from tests.contracts.queue import report
from tests.contracts.queue_system import DONE, QUEUE, task
from tests.integration import redis_users
from tests.integration.brokers import key_types, unsigned_broker
from twin_operator.adapters.redis_queue.claims import Claims
from twin_operator.adapters.redis_queue.dead_letters import DeadLetters, count_dead_letters
from twin_operator.adapters.redis_queue.loads import Loads
from twin_operator.adapters.redis_queue.outbox import Outbox
from twin_operator.adapters.redis_queue.scripts import ServerUpkeep
from twin_operator.services.runs.run import Run, Task

POD = "pod-1"
BAD_RUN = "bad-run"
LAST_ID = "18446744073709551615-18446744073709551615"
PATH = report(namespace="t1/../../../../../api/v1/namespaces/twin-operator", name="../secrets/redis").decode()


@dataclass
class Site:
    """A Redis with the chart's users, its operator and a worker."""

    url: str
    connection: AsyncRedis
    admin: Redis
    worker: Redis
    found: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.broker = unsigned_broker(self.connection, 600, found=self.found)
        self.types = self.broker.types
        self.loads = Loads(self.connection, self.types)
        self.outbox = Outbox(self.connection, self.types)
        self.claims = Claims(self.worker, POD, 10, 600, 1)

    async def answers(self) -> None:
        """See one run of another tenant through, at the first attempt."""
        work = task()
        await self.broker.publish([work])
        assert work.run in await self.broker.waiting([QUEUE])
        assert self.claims.claim(work) == "claimed"
        assert self.claims.record(work, DONE)
        await self.reported(work)

    async def reported(self, work: Task) -> None:
        for _ in range(3):  # the reader makes the stream again where it is gone
            reports = await self.broker.reports(pending=False, block_ms=1)
            if work.run in {each.run for each in reports}:
                break
        runs = await self.broker.runs([work.run, BAD_RUN])
        assert runs[work.run].outcome == DONE
        assert runs[work.run].attempts == 1

    async def resync(self) -> None:
        """Do what the operator does at each resync and reading, besides the above."""
        await self.broker.targets([])
        await self.loads.read([QUEUE])
        await self.outbox.put([{"n": 1}])
        await self.outbox.take(9)
        await self.outbox.length()
        await count_dead_letters(self.connection, self.types)
        list(DeadLetters(self.admin).newest(9))
        await ServerUpkeep(self.connection, self.types).keep()


def run(redis: Redis, command: str) -> None:
    """Run a command as a shell reads it."""
    redis.execute_command(*shlex.split(command))  # type: ignore[no-untyped-call]


@pytest.fixture
async def site(guarded_redis: str) -> AsyncIterator[Site]:
    connection = AsyncRedis.from_url(redis_users.address(guarded_redis, "operator"))
    with (
        Redis.from_url(redis_users.address(guarded_redis, "admin")) as admin,
        Redis.from_url(redis_users.address(guarded_redis, "worker")) as worker,
    ):
        admin.flushall()
        site = Site(guarded_redis, connection, admin, worker)
        await site.broker.reports(pending=True)  # makes the group, as an operator does at its start
        yield site
    await connection.aclose()


WRITES = {
    "a delivered message": ("HSET twinops:unacked x nonsense", "delivered"),
    "a delivered message of another form": ("HSET twinops:unacked x '[1]'", "delivered"),
    "attempts": (f"HSET twinops:run:{BAD_RUN} attempts many", "run"),
    "a negative count of attempts": (f"HSET twinops:run:{BAD_RUN} attempts -3", "run"),
    "an infinite time": (f"HSET twinops:run:{BAD_RUN} queued inf", "run"),
    "a time after all calendars": (f"HSET twinops:run:{BAD_RUN} started 1e18", "run"),
    "a lease without an end": (f"HSET twinops:run:{BAD_RUN} lease a lease_until never", "run"),
    "a stop": (f"HSET twinops:run:{BAD_RUN} stop now", "run"),
    "an outcome": (f"HSET twinops:run:{BAD_RUN} outcome {{", "run"),
    "an outcome of another form": (f"HSET twinops:run:{BAD_RUN} outcome []", "run"),
    "a version without a model": (f"HSET twinops:run:{BAD_RUN} version 1", "run"),
    "a run of another type": (f"SET twinops:run:{BAD_RUN} x", "key-type"),
    "leases of another type": (f"SET twinops:leases:{QUEUE} x", "key-type"),
    "a lease of nobody": (f"ZADD twinops:leases:{QUEUE} 1e12 x", "lease"),
    "a pace of another type": (f"SET twinops:pace:{QUEUE} x", "key-type"),
    "a pace that is no number": (f"HSET twinops:pace:{QUEUE} seconds nan count many", "pace"),
    "a draining mark without end": (f"SET twinops:draining:{POD} 1", ""),
    "a draining mark for years": (f"SET twinops:draining:{POD} 1 EX 100000000", ""),
    "a report that is no JSON": ("XADD twinops:results * report {", "report"),
    "a report without its field": ("XADD twinops:results * other x", "report"),
    "a report of a path": (f"XADD twinops:results * report '{PATH}'", "report"),
    "the last id of a report": (f"XADD twinops:results {LAST_ID} report x", "report"),
    "results of another type": ("SET twinops:results x", "key-type"),
    "counts that are none": (f"HSET twinops:published {QUEUE} many", "published"),
    "counts of another type": ("SET twinops:published x", "key-type published"),
    "delivered messages of another type": ("SET twinops:unacked x", "key-type"),
    "their index of another type": ("SET twinops:unacked_index x", "key-type"),
    "their lock of another type": ("LPUSH twinops:unacked_mutex x", "key-type"),
    "a queue of another type": (f"SET twinops:{QUEUE} x", "key-type"),
    "an entry for the archive": ("XADD twinops:archive * entry {", "archive"),
    "an entry without its field": ("XADD twinops:archive * other x", "archive"),
    "an archive stream of another type": ("SET twinops:archive x", "key-type"),
    "a dead letter without fields": ("XADD twinops:dead-letters * other x", ""),
    "dead letters of another type": ("SET twinops:dead-letters x", "key-type"),
}


@pytest.mark.parametrize(("write", "kind"), WRITES.values(), ids=WRITES)
async def test_one_write_costs_no_run_of_others_and_is_counted(site: Site, write: str, kind: str) -> None:
    if write.startswith("SET"):
        site.admin.delete(write.split()[1])
    run(site.admin, write)
    await site.answers()
    await site.resync()
    assert set(site.found) == set(kind.split())
    count = len(site.found)
    await site.answers()
    await site.resync()
    assert len(site.found) == count  # it is gone


@pytest.mark.parametrize("field", ["attempts many", "lease a lease_until never", "attempts 1e3"])
async def test_a_run_whose_record_cannot_be_read_begins_again_at_the_next_claim(site: Site, field: str) -> None:
    work = task()
    site.admin.hset(f"twinops:run:{work.run}", items=field.split())
    assert site.claims.claim(work) == "unreadable"
    assert site.claims.claim(work) == "claimed"
    assert (await site.broker.runs([work.run]))[work.run].attempts == 1


async def test_a_record_of_another_type_begins_again_too(site: Site) -> None:
    work = task()
    site.admin.set(f"twinops:run:{work.run}", "x")
    assert [site.claims.claim(work), site.claims.claim(work)] == ["unreadable", "claimed"]


async def test_a_record_that_is_dropped_reads_as_an_empty_one(site: Site) -> None:
    site.admin.hset(f"twinops:run:{BAD_RUN}", "attempts", "many")
    assert await site.broker.runs([BAD_RUN]) == {BAD_RUN: Run()}
    assert site.admin.exists(f"twinops:run:{BAD_RUN}") == 0


async def test_many_bad_reports_keep_no_good_one_pending(site: Site) -> None:
    work = task()
    for _ in range(3):
        site.admin.xadd("twinops:results", {"report": "{"})
    site.claims.claim(work)
    site.claims.record(work, DONE)
    site.admin.xreadgroup("operator", "leader", {"twinops:results": ">"}, count=9)
    assert [each.run for each in await site.broker.reports(pending=True, count=1)] == [work.run]


async def test_reports_are_read_again_after_an_entry_with_the_last_id(site: Site) -> None:
    site.worker.xadd("twinops:results", {"report": "x"}, id=LAST_ID)
    work = task()
    site.claims.claim(work)
    assert site.claims.record(work, DONE)  # the stream takes no further entry
    assert await site.broker.reports(pending=False, block_ms=1) == []
    work = task()
    site.claims.claim(work)
    site.claims.record(work, DONE)
    assert await site.broker.reports(pending=False, block_ms=1) == []  # makes the group
    assert [each.run for each in await site.broker.reports(pending=False, block_ms=1)] == [work.run]


async def test_a_count_of_publications_that_is_none_is_read_as_zero(site: Site) -> None:
    site.admin.hset("twinops:published", QUEUE, "many")
    (reading,) = await site.loads.read([QUEUE])
    assert (reading.published, site.found) == (0, ["published"])


async def test_a_worker_drains_while_its_mark_has_an_end(site: Site) -> None:
    await site.loads.drain([POD], 60)
    assert (site.claims.draining(), site.claims.claim(task())) == (True, "draining")
    site.admin.persist(f"twinops:draining:{POD}")
    assert (site.claims.draining(), site.claims.claim(task())) == (False, "claimed")


@pytest.mark.parametrize(
    "command",
    [
        *(write for write, _kind in WRITES.values() if write.startswith("SET")),
        f"HSET twinops:published {QUEUE} many",
        "XADD twinops:archive * entry {",
        f"LPUSHX twinops:draining:{POD} 1",
        "EVAL 'while true do end' 0",
        "SCRIPT LOAD 'return 1'",
        "SCRIPT KILL",
        "FCALL f 0",
    ],
)
async def test_the_user_of_workers_may_not_even_make_the_write(site: Site, command: str) -> None:
    with pytest.raises(NoPermissionError):
        run(site.worker, command)


async def test_a_list_in_place_of_a_draining_mark_drains_nobody(site: Site) -> None:
    site.worker.lpush(f"twinops:draining:{POD}", "1")  # a queue may have any name: this is what its rights leave
    with pytest.raises(NoPermissionError):
        site.worker.expire(f"twinops:draining:{POD}", 60)
    await site.answers()


async def test_the_operator_removes_lists_that_are_in_the_way(site: Site) -> None:
    places = ("results", "unacked", "unacked_index", "unacked_mutex", "archive", "dead-letters", "published")
    for place in places:
        site.admin.delete(f"twinops:{place}")
        site.worker.lpush(f"twinops:{place}", "x")
    await ServerUpkeep(site.connection, key_types(site.connection, site.found)).keep()
    assert site.found == ["key-type"] * len(places)
    await site.answers()


async def test_no_key_of_ours_is_taken_for_the_list_of_a_queue_of_its_name(site: Site) -> None:
    site.admin.xadd("twinops:results", {"report": "x"})
    site.admin.hset("twinops:published", "results", 1)
    with pytest.raises(ResponseError):
        await site.broker.waiting(["results"])
    assert site.admin.xlen("twinops:results") == 1

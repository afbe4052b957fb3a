"""The chart's users of Redis: what each may do beyond its work. That the rules are enough the journeys show."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
from celery import Celery
from redis import Redis
from redis.client import PubSub
from redis.exceptions import AuthenticationError, ResponseError

from tests.integration import redis_users

EVENTS = "twinops:/0.celeryev/*"
EVERYBODY = ("probe", "operator", "worker", "events")
OUTSIDE = ("GET others:key", "LPUSH others:list x", "EVAL return(redis.call('get','others:key')) 0")
POWERS = ("KEYS *", "SCAN 0", "FLUSHALL", "FLUSHDB", "CONFIG GET *", "ACL LIST", "SHUTDOWN", "SAVE", "MONITOR")
MORE_POWERS = ("CLIENT LIST", "CLIENT KILL ID 1", "REPLICAOF 127.0.0.1 1", "MODULE LIST", "SCRIPT FLUSH")


def ask(url: str, user: str, command: str) -> Any:
    with Redis.from_url(redis_users.address(url, user)) as redis:
        return redis.execute_command(*command.split())


@pytest.mark.parametrize("user", EVERYBODY)
@pytest.mark.parametrize("command", [*OUTSIDE, *POWERS, *MORE_POWERS])
def test_nobody_reaches_beyond_our_keys_or_has_power_over_the_server(
    guarded_redis: str, user: str, command: str
) -> None:
    with pytest.raises(ResponseError, match="permission"):
        ask(guarded_redis, user, command)


CONNECTION = ("PING", "HELLO 3", "AUTH a b", "SELECT 0", "CLIENT SETINFO lib-name x", "CLIENT SETNAME x")
TRANSACTION = ("MULTI", "EXEC")
MAY: dict[str, tuple[str, ...]] = {
    "probe": ("PING",),
    "operator": (
        *CONNECTION,
        *TRANSACTION,
        "INFO memory",  # whether a full memory would drop keys (memory)
        "TIME",
        *("LPUSH twinops:q x", "LRANGE twinops:q 0 9", "LREM twinops:q -1 x"),  # broker, withdrawal
        *("LLEN twinops:q", "LINDEX twinops:q -1"),  # loads
        *("HGETALL twinops:run:r", "HSET twinops:run:r f x", "HSETNX twinops:run:r f x", "HDEL twinops:run:r f"),
        *("EXPIRE twinops:run:r 9", "DEL twinops:run:r"),
        *("HKEYS twinops:published", "HMGET twinops:published q", "HINCRBY twinops:published q 1"),
        *("HLEN twinops:unacked", "HSCAN twinops:unacked 0"),
        *("ZRANGE twinops:leases:q 0 -1", "ZREM twinops:leases:q m", "HGET twinops:pace:q seconds"),  # loads
        "SET twinops:draining:pod 1 EX 60",
        "TYPE twinops:unacked",  # bad_records
        *("XREADGROUP GROUP g c STREAMS twinops:results >", "XGROUP CREATE twinops:results g 0"),  # results_stream
        *("XACK twinops:results g 1-1", "XDEL twinops:results 1-1"),
        *("XADD twinops:archive * entry x", "XRANGE twinops:archive - +", "XLEN twinops:archive"),  # outbox
        "XREVRANGE twinops:dead-letters + -",  # the command dead-letters
        "PUBLISH twinops:/0.celeryev/task.sent x",
        *("SCRIPT LOAD x", "SCRIPT EXISTS x"),  # scripts
    ),
    "worker": (
        *CONNECTION,
        *TRANSACTION,
        *("INFO memory", "TIME", "UNWATCH"),
        *("BRPOP twinops:q 1", "LPUSH twinops:q x", "RPUSH twinops:q x", "LLEN twinops:q"),  # kombu
        "EVALSHA x 3 twinops:run:r twinops:leases:q twinops:draining:pod",  # CLAIM
        "EVALSHA x 4 twinops:run:r twinops:leases:q twinops:results twinops:pace:q",  # RECORD
        "EVALSHA x 1 twinops:unacked_mutex",  # the end of kombu's lock
        *("HGET twinops:run:r f", "HMGET twinops:run:r f", "HSET twinops:run:r f x", "HSETNX twinops:run:r f x"),
        *("HDEL twinops:run:r f", "HINCRBY twinops:run:r f 1", "EXPIRE twinops:run:r 9", "DEL twinops:run:r"),
        *("ZADD twinops:leases:q 1 m", "ZREM twinops:leases:q m", "ZREMRANGEBYSCORE twinops:leases:q 0 1"),
        *("EXPIRE twinops:leases:q 9", "EXPIRE twinops:pace:q 9"),
        *("HGET twinops:pace:q f", "HSET twinops:pace:q f x", "HINCRBY twinops:pace:q f 1"),
        "PTTL twinops:draining:pod",
        *("XADD twinops:results * report x", "XADD twinops:dead-letters MAXLEN 1000 * message x"),
        *("HGET twinops:unacked t", "HSET twinops:unacked t x", "HDEL twinops:unacked t", "WATCH twinops:unacked"),
        *("ZADD twinops:unacked_index 1 t", "ZREM twinops:unacked_index t", "ZRANGE twinops:unacked_index 0 1"),
        *("SET twinops:unacked_mutex x NX PX 9", "GET twinops:unacked_mutex", "DEL twinops:unacked_mutex"),
        "PUBLISH twinops:/0.celeryev/worker.heartbeat x",
    ),
    "events": (
        *CONNECTION,
        *("PSUBSCRIBE twinops:/0.celeryev/*", "PUNSUBSCRIBE"),
        *("LLEN twinops:q", "HKEYS twinops:published"),
    ),
}
"""What each user may do, from what the code does: the contract of the queue and the journeys run under these rules."""

MAY_NOT = {
    "probe": ("GET twinops:run:a", "INFO", "LLEN twinops:q"),
    "operator": (
        *("BRPOP twinops:simulations 1", "EVAL x 0", "EVALSHA x 0", "SCRIPT KILL", "GET twinops:unacked_mutex"),
        *(
            "SUBSCRIBE twinops:/0.celeryev/task",
            "PUBLISH others x",
            "HVALS twinops:unacked",
            "ZADD twinops:leases:q 1 m",
        ),
    ),
    "worker": (
        *("EVAL x 0", "EVAL_RO x 0", "SCRIPT LOAD x", "SCRIPT KILL", "FUNCTION LOAD x", "FCALL f 0"),
        *("EVALSHA x 1 twinops:archive", "EVALSHA x 1 twinops:published", "EVALSHA x 1 others"),
        *("SET twinops:draining:pod 1", "SET twinops:draining:pod 1 EX 60", "DEL twinops:draining:pod"),
        *("EXPIRE twinops:draining:pod 60", "SET twinops:results x", "SET twinops:leases:q x", "SET twinops:run:r x"),
        *("DEL twinops:results", "DEL twinops:leases:q", "DEL twinops:unacked", "HGETALL twinops:unacked"),
        *(
            "LRANGE twinops:q 0 9",
            "HSET twinops:published q 1",
            "HKEYS twinops:published",
            "XADD twinops:archive * f x",
        ),
        *("XREADGROUP GROUP operator leader STREAMS twinops:results >", "XRANGE twinops:dead-letters - +"),
        *("HGETALL twinops:run:r", "PSUBSCRIBE twinops:/0.celeryev/*", "PUBLISH others x", "TYPE twinops:run:r"),
    ),
    "events": (
        *("HGET twinops:unacked t", "HMGET twinops:run:r outcome", "HGETALL twinops:run:r", "HVALS twinops:unacked"),
        *(
            "HKEYS twinops:unacked",
            "HKEYS twinops:run:r",
            "LRANGE twinops:q 0 9",
            "LINDEX twinops:q 0",
            "GET twinops:x",
        ),
        *("XRANGE twinops:results - +", "XRANGE twinops:dead-letters - +", "HSCAN twinops:unacked 0", "PSUBSCRIBE *"),
        *(
            "LPUSH twinops:q x",
            "HSET twinops:run:a outcome x",
            "DEL twinops:results",
            "XADD twinops:results * report x",
        ),
        *("PUBLISH twinops:/0.celeryev/task.sent x", "EVALSHA x 0", "INFO", "MULTI", "TIME"),
    ),
}


def rows(table: Mapping[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    return [(user, command) for user, commands in table.items() for command in commands]


def dry_run(url: str, user: str, command: str) -> str:
    """Return OK, or why Redis would not let a user run a command."""
    with Redis.from_url(redis_users.address(url, "admin"), decode_responses=True) as redis:
        return str(redis.execute_command("ACL DRYRUN", user, *command.split()))


@pytest.mark.parametrize(("user", "command"), rows(MAY))
def test_each_has_its_own_work(guarded_redis: str, user: str, command: str) -> None:
    assert dry_run(guarded_redis, user, command) == "OK"


@pytest.mark.parametrize(("user", "command"), rows(MAY_NOT))
def test_nobody_has_the_work_of_others(guarded_redis: str, user: str, command: str) -> None:
    assert "no permissions" in dry_run(guarded_redis, user, command)


@pytest.mark.parametrize("user", EVERYBODY)
def test_there_is_no_right_without_its_row(user: str) -> None:
    rule = next(line for line in redis_users.rules() if line.startswith(f"user {user} "))
    granted = set(re.findall(r"\+([a-z|]+)", rule))
    needed = {word.lower() for command in MAY[user] for word in _names(command)}
    assert granted == needed


def _names(command: str) -> list[str]:
    first, *rest = command.split()
    return [f"{first}|{rest[0]}"] if first in ("CLIENT", "XGROUP", "SCRIPT") else [first]


def test_who_gives_no_name_is_let_in_to_nothing(guarded_redis: str) -> None:
    with Redis.from_url(guarded_redis) as redis, pytest.raises(AuthenticationError):
        redis.ping()


def test_a_probe_may_ask_whether_it_lives(guarded_redis: str) -> None:
    assert ask(guarded_redis, "probe", "PING")


@pytest.mark.parametrize("sender", ["operator", "worker"])
def test_the_exporter_hears_what_operator_and_workers_tell(guarded_redis: str, sender: str) -> None:
    with Redis.from_url(redis_users.address(guarded_redis, "events")) as redis, redis.pubsub() as feed:
        feed.psubscribe(EVENTS)
        assert heard(feed) == "psubscribe"
        tell(celery(guarded_redis, sender))
        assert heard(feed) == "pmessage"


def heard(feed: PubSub) -> str:
    """Return the type of the next message."""
    message = feed.get_message(timeout=60)
    assert message is not None
    return str(message["type"])


def tell(app: Celery) -> None:
    with app.connection() as connection:
        dispatcher = app.events.Dispatcher(connection, hostname="someone", buffer_while_offline=False)
        dispatcher.send("task-sent", uuid="a")
        dispatcher.close()


def celery(url: str, user: str) -> Celery:
    app = Celery("users", broker=redis_users.address(url, user), set_as_current=False)
    app.conf.broker_transport_options = {"global_keyprefix": "twinops:"}
    return app

"""The chart's users of Redis: what each may do beyond its work. That the rules are enough the journeys show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from redis import Redis
from redis.client import PubSub
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError

from devcluster import services
from tests.integration import redis_users

EVENTS = "twinops:/0.celeryev/*"
EVERYBODY = ("probe", "operator", "worker", "events")
OUTSIDE = ("GET others:key", "LPUSH others:list x", "EVAL return(redis.call('get','others:key')) 0")
POWERS = ("KEYS *", "SCAN 0", "FLUSHALL", "FLUSHDB", "CONFIG GET *", "ACL LIST", "SHUTDOWN", "SAVE", "MONITOR")
MORE_POWERS = ("CLIENT LIST", "CLIENT KILL ID 1", "REPLICAOF 127.0.0.1 1", "MODULE LIST", "SCRIPT FLUSH")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Redis with the chart's users."""
    folder = tmp_path_factory.mktemp("guarded")
    with services.redis(folder, users=redis_users.write_users(folder / "users.acl")) as service:
        yield service.url


def ask(url: str, user: str, command: str) -> Any:
    with Redis.from_url(redis_users.address(url, user)) as redis:
        return redis.execute_command(*command.split())


@pytest.mark.parametrize("user", EVERYBODY)
@pytest.mark.parametrize("command", [*OUTSIDE, *POWERS, *MORE_POWERS])
def test_nobody_reaches_beyond_our_keys_or_has_power_over_the_server(guarded: str, user: str, command: str) -> None:
    with pytest.raises(ResponseError, match="permission"):
        ask(guarded, user, command)


@pytest.mark.parametrize(
    ("user", "command"),
    [
        ("probe", "GET twinops:run:a"),
        ("worker", "SUBSCRIBE twinops:/0.celeryev/task"),
        ("worker", "PUBLISH others x"),
        ("worker", "XREADGROUP GROUP operator leader STREAMS twinops:results >"),
        ("operator", "BRPOP twinops:simulations 1"),
        ("events", "LPUSH twinops:simulations x"),
        ("events", "HSET twinops:run:a outcome x"),
        ("events", "DEL twinops:results"),
        ("events", "XADD twinops:results * report x"),
    ],
)
def test_each_has_its_own_work_and_no_others(guarded: str, user: str, command: str) -> None:
    with pytest.raises(NoPermissionError):
        ask(guarded, user, command)


def test_who_gives_no_name_is_let_in_to_nothing(guarded: str) -> None:
    with Redis.from_url(guarded) as redis, pytest.raises(AuthenticationError):
        redis.ping()


def test_a_probe_may_ask_whether_it_lives(guarded: str) -> None:
    assert ask(guarded, "probe", "PING")


@pytest.mark.parametrize("sender", ["operator", "worker"])
def test_the_exporter_hears_what_operator_and_workers_tell(guarded: str, sender: str) -> None:
    with Redis.from_url(redis_users.address(guarded, "events")) as redis, redis.pubsub() as feed:
        feed.psubscribe(EVENTS)
        assert heard(feed) == "psubscribe"
        tell(celery(guarded, sender))
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

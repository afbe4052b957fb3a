"""The Celery application of the workers."""

from __future__ import annotations

import pytest
from kombu.transport import redis as kombu_redis

from tests.fakes.dead_letters import InMemoryDeadLetters
from tests.fakes.redis_content import Server
from twin_operator.adapters.redis_queue.bad_records import BadRecords
from twin_operator.adapters.redis_queue.delivery import Check
from twin_operator.settings import Settings
from twin_operator.worker.celery_app import configuration, create_app
from twin_operator.worker.transport import Guard, guarded_transport


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("task_acks_late", True),
        ("task_reject_on_worker_lost", True),
        ("worker_prefetch_multiplier", 1),
        ("worker_disable_prefetch", True),
        ("worker_enable_remote_control", False),
        ("broker_connection_max_retries", None),
        ("worker_cancel_long_running_tasks_on_connection_loss", False),
    ],
)
def test_no_message_is_lost_with_a_process_or_a_connection(name: str, value: object) -> None:
    assert configuration(Settings())[name] == value


def test_the_transport_uses_the_prefix_of_the_keys() -> None:
    assert configuration(Settings())["broker_transport_options"]["global_keyprefix"] == "twinops:"


@pytest.mark.parametrize(("lease", "timeout"), [(1.1, 2), (10, 15), (600, 900)])
def test_a_message_returns_to_its_queue_after_one_and_a_half_leases(lease: float, timeout: int) -> None:
    assert configuration(Settings(lease_seconds=lease))["broker_transport_options"]["visibility_timeout"] == timeout


def test_events_are_sent_where_they_are_asked_for() -> None:
    assert configuration(Settings(task_events=True))["worker_send_task_events"] is True
    assert configuration(Settings())["worker_send_task_events"] is False


def test_overrides_are_laid_over_the_configuration_and_options_of_the_transport_one_by_one() -> None:
    overrides: dict[str, object] = {"worker_max_tasks_per_child": 9, "broker_transport_options": {"socket_timeout": 3}}
    conf = configuration(Settings(celery_overrides=overrides))
    assert conf["worker_max_tasks_per_child"] == 9
    assert conf["broker_transport_options"]["socket_timeout"] == 3
    assert conf["broker_transport_options"]["socket_keepalive"] is True


def test_a_queue_is_the_list_of_its_name() -> None:
    assert create_app(Settings(), ["trials"]).amqp.queues["trials"].routing_key == "trials"


def test_a_worker_reads_by_the_transport_that_it_is_given() -> None:
    guard = Guard(
        Check(None, 60),
        InMemoryDeadLetters(Server(lambda: 0.0)),
        "one",
        lambda _reason: None,
        BadRecords(lambda _kind: None),
    )
    transport = guarded_transport(guard)
    assert isinstance(create_app(Settings(), ["trials"], transport).connection_for_read().transport, transport)
    assert isinstance(create_app(Settings(), ["trials"]).connection_for_read().transport, kombu_redis.Transport)

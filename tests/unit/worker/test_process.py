"""The worker's process as it is put together, without being started."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from billiard.util import get_logger as get_logger_of_children
from celery import signals
from celery.app.trace import reset_worker_optimizations
from prometheus_client import CollectorRegistry

from tests.fakes.attempts import untraced
from tests.fakes.queue import InMemoryQueue
from tests.unit.worker.celery_parts import traced
from tests.unit.worker.simple_task import QUEUE, RUN, Clock, task
from twin_operator.adapters.redis_queue.delivery import Reason
from twin_operator.adapters.redis_queue.message import Messages
from twin_operator.api.v1alpha1 import conditions
from twin_operator.services.runs.run import Outcome, TaskKind
from twin_operator.settings import Settings
from twin_operator.worker.leases import LeaseThread
from twin_operator.worker.process import build_guard, build_worker, keep_log, of_dead_child
from twin_operator.worker.shutdown import Grace
from twin_operator.worker.tasks import Frame

pytestmark = pytest.mark.filterwarnings("ignore::celery.exceptions.SecurityWarning")  # tests may run as root

KEY = "k" * 32
NOWHERE = "redis://127.0.0.1:1/0"  # nothing listens there, and nothing is to connect


@dataclass
class Shop:
    """Builds workers whose children record into one queue."""

    queue: InMemoryQueue = field(default_factory=lambda: InMemoryQueue(Clock()))
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    built: int = 0
    applications: list[Any] = field(default_factory=list)

    def worker(self, **settings: Any) -> Any:
        """Return a worker of the tier Light with three processes."""
        chosen = Settings(redis_url=NOWHERE, identity="one", **settings)
        worker = build_worker(chosen, [QUEUE, "trials"], 3, "Light", self._frame, self.registry)
        self.applications.append(worker.app)
        return worker

    def _frame(self, _settings: Settings) -> Frame:
        self.built += 1
        claims = self.queue.claims("one")
        return Frame(
            claims,
            LeaseThread(claims, lambda: None),
            {TaskKind.SIMULATE: lambda _task: Outcome(conditions.Reason.SUCCEEDED, "done")},
            untraced(),
        )


def _no_logging(**_options: object) -> None:
    """Stand for the logging that the command has set up."""


@pytest.fixture
def shop() -> Iterator[Shop]:
    receivers = list(signals.worker_ready.receivers or ())
    signals.setup_logging.connect(_no_logging)
    shop = Shop()
    yield shop
    signals.setup_logging.disconnect(_no_logging)
    signals.setup_logging.disconnect(keep_log)
    signals.worker_ready.receivers = receivers
    for app in shop.applications:
        reset_worker_optimizations(app)
    logging.captureWarnings(False)


def test_a_worker_has_the_name_the_queues_and_the_processes_of_its_pod(shop: Shop) -> None:
    worker = shop.worker()
    assert (worker.hostname, worker.concurrency) == ("light@one", 3)
    assert sorted(worker.app.amqp.queues) == [QUEUE, "trials"]
    assert worker.pool_cls.__module__ == "celery.concurrency.prefork"


def test_its_messages_pass_the_guard(shop: Shop) -> None:
    transport = shop.worker().app.conf.broker_transport
    assert transport.Channel.guard.worker == "one"


def test_it_stops_consuming_while_it_drains(shop: Shop) -> None:
    steps = shop.worker().app.steps["consumer"]
    assert [step.__name__ for step in steps] == ["Drain"]


def test_the_children_build_their_connections_once_and_not_before_the_first_task(shop: Shop) -> None:
    app = shop.worker().app
    assert shop.built == 0
    traced(app, task())
    traced(app, task(run="next"))
    assert shop.built == 1
    assert shop.queue.claims("one").attempts(RUN) == 1


@pytest.mark.parametrize(("settings", "events"), [({}, False), ({"task_events": True}, True)])
def test_events_name_the_queues_where_they_are_on(shop: Shop, settings: dict[str, Any], *, events: bool) -> None:
    app = shop.worker(**settings).app
    assert isinstance(app.events.dispatcher_cls, type) == events


@pytest.mark.parametrize("name", ["twinops_worker_draining", "twinops_worker_running_tasks"])
def test_it_shows_its_figures(shop: Shop, name: str) -> None:
    shop.worker()
    assert shop.registry.get_sample_value(name) == 0.0


def test_dead_letters_are_shown_by_reason_from_the_start(shop: Shop) -> None:
    guard = build_guard(Settings(redis_url=NOWHERE), shop.registry)
    shown = {
        reason: shop.registry.get_sample_value("twinops_dead_letters_total", {"reason": reason}) for reason in Reason
    }
    assert set(shown.values()) == {0.0}
    guard.count(Reason.FORGED)
    assert shop.registry.get_sample_value("twinops_dead_letters_total", {"reason": "Forged"}) == 1.0


@pytest.mark.parametrize(("settings", "refused"), [({}, False), ({"signing_key": KEY}, True)])
def test_a_message_without_a_signature_is_refused_where_there_is_a_key(
    shop: Shop, settings: dict[str, Any], *, refused: bool
) -> None:
    guard = build_guard(Settings(redis_url=NOWHERE, **settings), shop.registry)
    _, message = Messages().write(task())
    refusal = guard.check.refusal(message, QUEUE, 0.0)
    assert (refusal is not None and refusal.reason is Reason.UNSIGNED) == refused


def test_a_worker_without_a_key_says_so(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    build_guard(Settings(redis_url=NOWHERE), shop.registry)
    assert "Messages are neither signed nor checked" in caplog.text


@pytest.mark.parametrize(("returning", "attempts"), [(False, 1), (True, 0)])
def test_the_attempt_of_a_child_that_died_counts_unless_the_end_of_the_grace_killed_it(
    shop: Shop, attempts: int, *, returning: bool
) -> None:
    claims = shop.queue.claims("one")
    claims.claim(task())
    grace = Grace(60, claims.give_back_of_worker, returning=returning)
    end: Callable[[str, str], bool] = of_dead_child(grace, claims)
    assert end(RUN, QUEUE) is True
    assert claims.attempts(RUN) == attempts


def test_celery_adds_no_handlers_to_the_log_whose_lines_would_show_secrets(shop: Shop) -> None:
    shop.worker()
    ours = logging.NullHandler()
    logging.root.addHandler(ours)
    try:
        answers = signals.setup_logging.send(sender=None)  # with a receiver Celery sets up nothing itself
        assert keep_log in [receiver for receiver, _answer in answers]
        assert ours in get_logger_of_children().handlers
    finally:
        logging.root.removeHandler(ours)
        get_logger_of_children().handlers = []

"""Celery's events become figures: a table of events and what Prometheus then sees of them."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from twin_operator.adapters.metrics.celery import CeleryMetrics
from twin_operator.services import task_events
from twin_operator.services.task_events import TaskEvents

SILENT, FORGET = 30.0, 600.0
LABELS = {"name": "twinops.simulate", "hostname": "pod", "queue_name": "simulations", "tier": "Light"}
SENT = {**LABELS, "hostname": "operator", "tier": ""}


class Exporter:
    """The exporter with a clock of the test's own."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.registry = CollectorRegistry()
        self.metrics = CeleryMetrics(self.registry)
        self.events = TaskEvents(self.metrics, lambda: self.now, SILENT, FORGET)

    def task(self, state: str, **changes: Any) -> None:
        common = {"name": "twinops.simulate", "hostname": "light@pod", "queue": "simulations", "uuid": "run"}
        self.events.take({"type": f"task-{state}", "timestamp": self.now, **common, **changes})

    def worker(self, what: str, hostname: str = "light@pod", **fields: Any) -> None:
        self.events.take({"type": f"worker-{what}", "hostname": hostname, "timestamp": self.now, **fields})

    def later(self, seconds: float) -> None:
        self.now += seconds
        self.events.sweep()

    def value(self, metric: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(metric, labels)

    def labels(self, metric: str, label: str) -> set[str]:
        return {s.labels[label] for family in self.registry.collect() for s in family.samples if s.name == metric}

    def hosts(self) -> set[str]:
        samples = [sample for family in self.registry.collect() for sample in family.samples]
        return {sample.labels["hostname"] for sample in samples if "hostname" in sample.labels}


@pytest.fixture
def exporter() -> Exporter:
    return Exporter()


def test_invented_queue_names_do_not_displace_queues_in_use(exporter: Exporter) -> None:
    invented = {f"aeve{number}" for number in range(100)}
    exporter.worker("heartbeat", queues=["simulations", "training"])
    exporter.task("sent", queue="trials")
    shown = exporter.events.shown_queues({*invented, "simulations", "training", "trials"})
    assert {"simulations", "training", "trials"} < set(shown)
    assert len(shown) == task_events.MOST_NAMES


def test_names_of_queues_in_redis_are_no_labels_of_tasks_yet(exporter: Exporter) -> None:
    exporter.events.shown_queues({f"aeve{number}" for number in range(100)})
    exporter.task("sent")
    assert exporter.value("celery_task_sent_total", **SENT) == 1


def test_a_queue_that_no_worker_serves_shows_no_worker(exporter: Exporter) -> None:
    exporter.events.shown_queues({"simulations"})
    exporter.events.sweep()
    assert exporter.value("celery_active_worker_count", queue_name="simulations") == 0


@pytest.mark.parametrize("state", ["received", "started", "succeeded", "retried", "rejected", "revoked"])
def test_an_event_of_a_task_counts_in_its_own_counter_only(exporter: Exporter, state: str) -> None:
    exporter.task(state)
    states = ("received", "started", "succeeded", "retried", "rejected", "revoked")
    counts = {each: exporter.value(f"celery_task_{each}_total", **LABELS) for each in states}
    assert counts == {each: float(each == state) for each in states}
    assert exporter.value("celery_task_failed_total", **LABELS, exception="") == 0


def test_a_failure_names_its_error(exporter: Exporter) -> None:
    exporter.task("failed", error="UnknownArm")
    assert exporter.value("celery_task_failed_total", **LABELS, exception="UnknownArm") == 1


def test_what_was_sent_is_the_operators_whatever_its_pod_is_called(exporter: Exporter) -> None:
    exporter.task("sent", hostname="twin-operator-7c9-x2x")
    assert exporter.value("celery_task_sent_total", **SENT) == 1
    assert exporter.hosts() == {"operator"}


def test_the_time_in_queue_is_from_the_last_sending_to_the_start(exporter: Exporter) -> None:
    exporter.task("sent")
    exporter.now += 2
    exporter.task("started")
    exporter.now += 5
    exporter.task("retried")
    exporter.task("sent")
    exporter.now += 3
    exporter.task("started")
    assert exporter.value("celery_task_queue_wait_time_sum", **LABELS) == 5
    assert exporter.value("celery_task_queue_wait_time_count", **LABELS) == 2


def test_a_worker_whose_clock_is_behind_waited_no_negative_time(exporter: Exporter) -> None:
    exporter.task("sent")
    exporter.task("started", timestamp=exporter.now - 1)
    assert exporter.value("celery_task_queue_wait_time_sum", **LABELS) == 0


def test_the_time_in_queue_of_what_was_sent_before_the_exporter_is_not_told(exporter: Exporter) -> None:
    exporter.task("started")
    assert exporter.value("celery_task_queue_wait_time_count", **LABELS) is None


@pytest.mark.parametrize(("state", "count"), [("succeeded", 1), ("rejected", None), ("retried", None)])
def test_only_what_succeeded_has_a_run_time(exporter: Exporter, state: str, count: int | None) -> None:
    exporter.task(state, runtime=0.2)
    assert exporter.value("celery_task_runtime_count", **LABELS) == count


def test_an_event_that_does_not_name_its_queue_is_of_the_queue_that_it_was_sent_to(exporter: Exporter) -> None:
    exporter.task("sent")
    exporter.task("received", queue=None)
    exporter.task("received", queue=None, uuid="never sent")
    assert exporter.value("celery_task_received_total", **LABELS) == 1
    assert exporter.value("celery_task_received_total", **{**LABELS, "queue_name": "unknown"}) == 1


def test_a_heartbeat_shows_the_worker_and_who_serves_its_queues(exporter: Exporter) -> None:
    exporter.worker("online", queues=["simulations"], processes=2)
    exporter.worker("heartbeat", "heavy@other", queues=["simulations", "training"], processes=3, active=1)
    assert exporter.value("celery_worker_up", hostname="pod", tier="Light") == 1
    assert exporter.value("celery_worker_tasks_active", hostname="other", tier="Heavy") == 1
    assert exporter.value("celery_active_worker_count", queue_name="simulations") == 2
    assert exporter.value("celery_active_process_count", queue_name="simulations") == 5
    assert exporter.value("celery_active_consumer_count", queue_name="training") == 1


def test_a_worker_that_left_is_not_down(exporter: Exporter) -> None:
    exporter.worker("online", queues=["simulations"], processes=2)
    exporter.task("succeeded", runtime=1)
    exporter.worker("offline", queues=["simulations"], processes=2)
    assert exporter.value("celery_worker_up", hostname="pod", tier="Light") is None
    assert exporter.value("celery_active_worker_count", queue_name="simulations") == 0
    assert exporter.value("celery_task_succeeded_total", **LABELS) == 1


def test_a_worker_that_is_silent_is_down_until_it_is_heard_again(exporter: Exporter) -> None:
    exporter.worker("heartbeat", queues=["simulations"], processes=2, active=1)
    exporter.later(SILENT + 1)
    assert exporter.value("celery_worker_up", hostname="pod", tier="Light") == 0
    assert exporter.value("celery_worker_tasks_active", hostname="pod", tier="Light") == 0
    assert exporter.value("celery_active_worker_count", queue_name="simulations") == 0
    exporter.worker("heartbeat", queues=["simulations"], processes=2)
    assert exporter.value("celery_worker_up", hostname="pod", tier="Light") == 1


@pytest.mark.parametrize("end", ["offline", None])
def test_nothing_is_left_of_a_worker_that_is_forgotten_and_the_others_stay_as_they_are(
    exporter: Exporter, end: str | None
) -> None:
    for host in ("light@pod", "light@other"):
        exporter.worker("heartbeat", host)
        for state in ("received", "started", "succeeded"):
            exporter.task(state, hostname=host, runtime=1)
        exporter.task("failed", hostname=host, error="ValueError")
    if end:
        exporter.worker(end)
    exporter.now += FORGET
    exporter.worker("heartbeat", "light@other")
    exporter.later(1)
    assert exporter.hosts() == {"other"}
    assert exporter.value("celery_task_succeeded_total", **{**LABELS, "hostname": "other"}) == 1
    assert exporter.value("celery_task_runtime_sum", **{**LABELS, "hostname": "other"}) == 1


def test_a_worker_that_left_and_still_finishes_something_is_counted_and_stays_gone(exporter: Exporter) -> None:
    exporter.worker("offline")
    exporter.now += FORGET / 2
    exporter.task("succeeded")
    exporter.later(FORGET / 2 + 1)
    assert exporter.value("celery_task_succeeded_total", **LABELS) == 1
    assert exporter.value("celery_worker_up", hostname="pod", tier="Light") is None


def test_nobody_was_silent_while_nobody_listened(exporter: Exporter) -> None:
    exporter.worker("heartbeat")
    exporter.now += 2 * FORGET
    exporter.events.listen_again()
    exporter.later(1)
    assert exporter.value("celery_worker_up", hostname="pod", tier="Light") == 1


def test_labels_are_bounded(exporter: Exporter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_events, "MOST_WORKERS", 10)
    for number in range(100):
        exporter.task("received", name=f"someones.{number}", queue=f"q{number}", hostname=f"light@pod-{number}")
        exporter.task("failed", error=f"Error{number}")
        exporter.worker("heartbeat", f"light@late-{number}")
    assert exporter.labels("celery_task_received_total", "name") == {"other", "twinops.simulate"}
    assert len(exporter.labels("celery_task_received_total", "queue_name")) == task_events.MOST_NAMES + 1
    assert len(exporter.labels("celery_task_failed_total", "exception")) == task_events.MOST_NAMES + 2  # and ""
    assert len(exporter.hosts()) == 11


def test_what_is_remembered_of_sent_tasks_is_bounded(exporter: Exporter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_events, "MOST_SENT", 2)
    for run in ("a", "b", "c"):
        exporter.task("sent", uuid=run)
    for run in ("a", "b", "c"):
        exporter.task("started", uuid=run)
    assert exporter.value("celery_task_queue_wait_time_count", **LABELS) == 2


@pytest.mark.parametrize("event", [{"type": "task-custom"}, {"type": "someones-event"}, {"type": "worker-"}])
def test_events_of_others_are_passed_over(exporter: Exporter, event: dict[str, Any]) -> None:
    exporter.events.take(event)
    assert exporter.hosts() == set()


@pytest.mark.parametrize("field", ["uuid", "name", "hostname", "queue", "timestamp", "runtime", "error"])
@pytest.mark.parametrize("value", [None, 7, [], {}, "x" * 10])
def test_an_event_with_a_strange_field_is_counted_all_the_same(exporter: Exporter, field: str, value: object) -> None:
    for state in ("sent", "received", "started", "succeeded", "failed"):
        exporter.task(state, **{field: value})
    exporter.worker("heartbeat", queues=value, processes=value, active=value)
    exporter.later(0)


def test_a_failed_read_of_the_queues_is_no_empty_queue(exporter: Exporter) -> None:
    exporter.metrics.lengths({"simulations": 3})
    assert exporter.value("celery_queue_length", queue_name="simulations") == 3
    exporter.metrics.lengths(None)
    assert exporter.value("celery_queue_length", queue_name="simulations") is None

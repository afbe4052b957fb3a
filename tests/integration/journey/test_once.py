"""One write a Simulation; nothing lost and nothing done twice when processes are killed."""

from __future__ import annotations

import re
import threading
import time
from typing import Any

from redis import Redis

from tests.integration.journey.campaign import question
from tests.integration.journey.platform_fixture import Platform
from twin_operator.adapters.redis_queue.keys import queue_key

PARKED = queue_key("parked", 4)  # where kombu keeps messages of the default priority


def _many(platform: Platform, prefix: str, count: int) -> None:
    platform.kube.apply(*(platform.manifest("Simulation", f"{prefix}-{i}", question(seed=i)) for i in range(count)))


def _those(platform: Platform, prefix: str) -> list[dict[str, Any]]:
    items = platform.kube.get("simulations", "-n", platform.namespace)["items"]
    return [item for item in items if item["metadata"]["name"].startswith(f"{prefix}-")]


def _all_succeeded(platform: Platform, prefix: str, count: int) -> list[dict[str, Any]] | None:
    items = _those(platform, prefix)
    finished = [item for item in items if item["status"]["phase"] == "Succeeded"]
    return finished if len(finished) == count else None


def _status_patches(platform: Platform) -> int:
    metrics = platform.kube.kubectl("get", "--raw", "/metrics")
    wanted = [
        line
        for line in metrics.splitlines()
        if line.startswith("apiserver_request_total{")
        and 'resource="simulations"' in line
        and 'subresource="status"' in line
        and 'verb="PATCH"' in line
    ]
    return sum(int(float(re.split(r"\s+", line)[-1])) for line in wanted)


def test_a_hundred_questions_cost_one_status_write_each(trained: Platform) -> None:
    trained.apply("Simulation", "warm", question())
    trained.until_phase("Simulation", "warm", "Succeeded")
    before = _status_patches(trained)
    _many(trained, "hundred", 100)
    trained.kube.until(lambda: _all_succeeded(trained, "hundred", 100), 60)
    assert _status_patches(trained) - before == 100


def test_killed_processes_lose_nothing_and_repeat_nothing(trained: Platform, redis_restart: Any) -> None:
    creating = threading.Thread(target=_many, args=(trained, "killed", 200))
    creating.start()
    trained.kube.until(lambda: any(i["status"]["phase"] == "Succeeded" for i in _those(trained, "killed")), 60)
    trained.workers["light"].kill()
    trained.operator.kill()
    creating.join()
    assert _all_succeeded(trained, "killed", 200) is None  # killed while there was work
    redis_restart()
    trained.workers["light"].start()
    trained.operator.start()
    finished = trained.kube.until(lambda: _all_succeeded(trained, "killed", 200), 180)
    assert len({item["metadata"]["uid"] for item in finished}) == 200
    written = {item["metadata"]["uid"]: item["status"] for item in finished}
    trained.kube.kubectl("wait", "--for=condition=Ready", "--all", "simulations", "-n", trained.namespace, check=False)
    time.sleep(6)  # a resync passes: what is finished stays as it was written
    assert {i["metadata"]["uid"]: i["status"] for i in _those(trained, "killed")} == written


def test_a_suspended_question_waits_and_goes_on(trained: Platform) -> None:
    trained.apply("Simulation", "held", question(suspend=True))
    trained.until_phase("Simulation", "held", "Suspended")
    assert trained.condition("Simulation", "held", "Ready")["reason"] == "Suspended"  # type: ignore[index]
    trained.kube.kubectl(
        "patch", "simulation", "held", "-n", trained.namespace, "--type=merge", "-p", '{"spec":{"suspend":false}}'
    )
    trained.until_phase("Simulation", "held", "Succeeded")


def test_a_deadline_ends_a_question_that_no_worker_takes(trained: Platform) -> None:
    trained.apply("Simulation", "late", question(queue="nobody", activeDeadlineSeconds=3))
    trained.until_phase("Simulation", "late", "Failed")
    assert trained.condition("Simulation", "late", "Stalled")["reason"] == "DeadlineExceeded"  # type: ignore[index]


def test_a_question_without_workers_says_so(trained: Platform) -> None:
    trained.apply("Simulation", "alone", question(queue="nobody"))
    trained.until_condition("Simulation", "alone", "Reconciling", "NoWorkers")


def test_a_broker_that_forgot_everything_is_told_again(trained: Platform) -> None:
    trained.apply("Simulation", "parked", question(queue="parked"))
    with Redis.from_url(trained.redis_url) as redis:
        trained.kube.until(lambda: redis.llen(PARKED) == 1)
        redis.flushall()
        trained.kube.until(lambda: redis.llen(PARKED) == 1, 30)
    trained.apply("Simulation", "after-the-flood", question())
    trained.until_phase("Simulation", "after-the-flood", "Succeeded")
    trained.kube.kubectl("delete", "simulation", "parked", "-n", trained.namespace)


def test_a_finished_question_expires(trained: Platform) -> None:
    trained.apply("Simulation", "brief", question(ttlSecondsAfterFinished=2))
    listed = ("get", "simulation", "brief", "-n", trained.namespace, "--ignore-not-found", "-o", "name")
    trained.kube.until(lambda: trained.kube.kubectl(*listed) == "", 60)


def test_a_namespace_with_every_kind_is_deleted_while_the_operator_is_gone(trained: Platform) -> None:
    kube = trained.kube
    kube.kubectl("create", "namespace", "leaving")
    specs: dict[str, dict[str, Any]] = {
        "TwinModel": trained.get("TwinModel", "letters")["spec"],
        "Simulation": question(),
        "RetrainingJob": {"modelRef": {"name": "letters"}},
        "WorkerPool": {"queues": ["leaving"]},
    }
    for kind, spec in specs.items():
        manifest = trained.manifest(kind, "last", spec)
        kube.apply({**manifest, "metadata": {"name": "last", "namespace": "leaving"}})
    trained.operator.stop()
    try:
        kube.kubectl("delete", "namespace", "leaving", "--timeout=20s")
    finally:
        trained.operator.start()

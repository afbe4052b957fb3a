"""Processes are killed, Redis forgets, the operator is gone for a while: nothing is lost and nothing is done twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from tests.integration.journey import experiments
from tests.integration.journey.campaign import model_spec, question
from tests.integration.journey.platform_fixture import Platform
from twin_operator.adapters.redis_queue.keys import queue_key

pytestmark = pytest.mark.chaos

EFFECT = 0.15
PARKED = queue_key("parked", 4)  # where kombu keeps messages of the default priority
LOST = queue_key("lost", 4)


def many(platform: Platform, prefix: str, count: int) -> None:
    platform.kube.apply(*(platform.manifest("Simulation", f"{prefix}-{i}", question(seed=i)) for i in range(count)))


def those(platform: Platform, prefix: str) -> list[dict[str, Any]]:
    items = platform.kube.get("simulations", "-n", platform.namespace)["items"]
    return [item for item in items if item["metadata"]["name"].startswith(f"{prefix}-")]


def all_succeeded(platform: Platform, prefix: str, count: int) -> list[dict[str, Any]] | None:
    items = those(platform, prefix)
    finished = [item for item in items if item["status"]["phase"] == "Succeeded"]
    return finished if len(finished) == count else None


def until_resync(platform: Platform) -> None:
    """Wait until the operator has compared all Simulations with Redis: it publishes a lost message again."""
    platform.apply("Simulation", "lost", question(queue="lost"))
    with Redis.from_url(platform.redis_url) as redis:
        platform.kube.until(lambda: redis.llen(LOST) == 1)
        redis.delete(LOST)
        platform.kube.until(lambda: redis.llen(LOST) == 1)
    platform.kube.kubectl("delete", "simulation", "lost", "-n", platform.namespace)


def ask(platform: Platform, name: str, **changes: Any) -> dict[str, Any]:
    platform.apply("Simulation", name, question("survey", **changes))
    return platform.until_phase("Simulation", name, "Succeeded")


def outcome(experiment: str, effect: float) -> dict[str, Any]:
    return {"observed": {"experiment": experiment, "effect": effect, "standardError": 0.02}}


def fidelity(platform: Platform) -> dict[str, Any]:
    found: dict[str, Any] = platform.get("TwinModel", "survey")["status"].get("fidelity") or {}
    return found


def version(platform: Platform, name: str) -> str:
    return str(platform.get("TwinModel", name)["status"].get("model", {}).get("version"))


def test_killed_processes_lose_nothing_and_repeat_nothing(trained: Platform, redis_restart: Callable[[], None]) -> None:
    creating = threading.Thread(target=many, args=(trained, "killed", 200))
    creating.start()
    trained.kube.until(lambda: any(i["status"]["phase"] == "Succeeded" for i in those(trained, "killed")))
    trained.workers["light"].kill()
    trained.operator.kill()
    creating.join()
    assert all_succeeded(trained, "killed", 200) is None  # killed while there was work
    redis_restart()
    trained.workers["light"].start()
    trained.operator.start()
    finished = trained.kube.until(lambda: all_succeeded(trained, "killed", 200))
    assert len({item["metadata"]["uid"] for item in finished}) == 200
    written = {item["metadata"]["uid"]: item["status"] for item in finished}
    until_resync(trained)  # what is finished stays as it was written
    assert {i["metadata"]["uid"]: i["status"] for i in those(trained, "killed")} == written


def test_a_broker_that_forgot_everything_is_told_again(trained: Platform) -> None:
    trained.apply("Simulation", "parked", question(queue="parked"))
    with Redis.from_url(trained.redis_url) as redis:
        trained.kube.until(lambda: redis.llen(PARKED) == 1)
        redis.flushall()
        trained.kube.until(lambda: redis.llen(PARKED) == 1)
    trained.apply("Simulation", "after-the-flood", question())
    trained.until_phase("Simulation", "after-the-flood", "Succeeded")
    trained.kube.kubectl("delete", "simulation", "parked", "-n", trained.namespace)


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
        kube.kubectl("delete", "namespace", "leaving", "--timeout=180s")
    finally:
        trained.operator.start()


def test_a_training_whose_worker_is_killed_ends_in_one_version(trained: Platform) -> None:
    spec = model_spec(trained.hold("forest.csv"), learner={"algorithm": "RandomForest"})
    trained.apply("TwinModel", "forest", spec)
    trained.until_condition("TwinModel", "forest", "Reconciling", "Training")
    trained.workers["heavy"].kill()
    trained.release()
    trained.workers["heavy"].start()
    body = trained.until_phase("TwinModel", "forest", "Ready")
    assert body["status"]["model"]["version"] == "1"


def test_deleted_and_expired_simulations_and_another_leader_change_no_figure(trained: Platform) -> None:
    experiments.write(trained.data / "survey.csv", experiments.rows(["first"], EFFECT))
    trained.apply("TwinModel", "survey", experiments.spec(f"file://{trained.data}/survey.csv"))
    trained.until_phase("TwinModel", "survey", "Ready")
    for number in range(4):
        answer = ask(trained, f"asked-{number}")["status"]["effect"]
        trained.patch("Simulation", f"asked-{number}", outcome(f"later-{number}", answer["estimate"]))
        trained.kube.until(lambda count=number + 1: fidelity(trained).get("validations") == count)
    ask(trained, "brief-question", ttlSecondsAfterFinished=3)
    trained.patch("Simulation", "brief-question", outcome("brief", 0.16))
    gone = ("get", "simulation", "brief-question", "-n", trained.namespace, "--ignore-not-found", "-o", "name")
    trained.kube.until(lambda: trained.kube.kubectl(*gone) == "")
    trained.kube.until(lambda: fidelity(trained)["recent"][0]["simulation"] == "brief-question")
    settled = fidelity(trained)
    trained.kube.kubectl("delete", "simulation", "asked-0", "asked-1", "-n", trained.namespace)
    trained.operator.kill()
    trained.operator.start()
    assert ask(trained, "asked-after-restart")["status"]["effect"]["calibrated"] is True
    trained.patch("TwinModel", "survey", {"description": "makes the next operator write its status"})
    trained.kube.until(
        lambda: (
            (body := trained.get("TwinModel", "survey"))["status"]["observedGeneration"]
            == body["metadata"]["generation"]
        )
    )
    assert fidelity(trained) == settled

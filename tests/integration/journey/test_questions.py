"""The life of one question: one status write, suspended, late, without workers, expired."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

from tests.integration.journey.campaign import question
from tests.integration.journey.platform_fixture import Platform


def _many(platform: Platform, prefix: str, count: int) -> None:
    platform.kube.apply(*(platform.manifest("Simulation", f"{prefix}-{i}", question(seed=i)) for i in range(count)))


def _those(platform: Platform, prefix: str) -> list[dict[str, Any]]:
    items = platform.kube.get("simulations", "-n", platform.namespace, "--show-managed-fields")["items"]
    return [item for item in items if item["metadata"]["name"].startswith(f"{prefix}-")]


def _all_succeeded(platform: Platform, prefix: str, count: int) -> list[dict[str, Any]] | None:
    items = _those(platform, prefix)
    finished = [item for item in items if item["status"]["phase"] == "Succeeded"]
    return finished if len(finished) == count else None


def _status_writes(platform: Platform, prefix: str) -> list[str]:
    """Return the names of Simulations whose status was patched, one for each patch, from the audit log."""
    return [entry["objectRef"]["name"] for entry in _audited_writes(platform, prefix)]


def _audited_writes(platform: Platform, prefix: str) -> list[dict[str, Any]]:
    log = platform.kube.directory / "logs" / "audit.log"
    entries = [json.loads(line) for line in log.read_text().splitlines() if f"/{prefix}-" in line]
    statuses = [entry for entry in entries if entry["objectRef"].get("subresource") == "status"]
    return [entry for entry in statuses if entry["verb"] == "patch"]


def _of_status(item: dict[str, Any]) -> list[dict[str, Any]]:
    return [entry for entry in item["metadata"]["managedFields"] if entry.get("subresource") == "status"]


def test_a_hundred_questions_cost_one_status_write_each(trained: Platform) -> None:
    trained.apply("Simulation", "warm", question())
    trained.until_phase("Simulation", "warm", "Succeeded")
    _many(trained, "hundred", 100)
    finished = trained.kube.until(lambda: _all_succeeded(trained, "hundred", 100))
    assert sorted(_status_writes(trained, "hundred")) == sorted(item["metadata"]["name"] for item in finished)
    assert {entry["manager"] for item in finished for entry in _of_status(item)} == {"twin-operator"}
    agents = {entry["userAgent"] for entry in _audited_writes(trained, "hundred")}
    assert agents == {f"twin-operator/{version('twin-operator')}"}


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


def test_a_finished_question_expires(trained: Platform) -> None:
    trained.apply("Simulation", "brief", question(ttlSecondsAfterFinished=2))
    listed = ("get", "simulation", "brief", "-n", trained.namespace, "--ignore-not-found", "-o", "name")
    trained.kube.until(lambda: trained.kube.kubectl(*listed) == "")

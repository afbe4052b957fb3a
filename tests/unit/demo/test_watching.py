"""What the demo says while it waits, and when it stops waiting."""

from typing import Any

import pytest

from demo.watching import DisappointedError, condition, describe, find, phase_of, refuse_hopeless, tell_changes


def resource(kind: str, name: str, phase: str, *conditions: dict[str, str]) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": name}, "status": {"phase": phase, "conditions": list(conditions)}}


WAITING = {"type": "Ready", "status": "False", "reason": "ModelNotReady", "message": "waits for hillstrom"}
STALLED = {"type": "Stalled", "status": "True", "reason": "DataInvalid", "message": "one arm only"}


def test_a_waiting_simulation_is_described_with_its_reason() -> None:
    assert describe(resource("Simulation", "a", "Pending", WAITING)) == "Pending (ModelNotReady: waits for hillstrom)"


def test_an_object_without_status_is_pending() -> None:
    assert describe({"kind": "Simulation", "metadata": {"name": "a"}}) == "Pending"


def test_a_deployment_is_described_by_its_ready_replicas() -> None:
    assert describe({"kind": "Deployment", "spec": {"replicas": 2}, "status": {"readyReplicas": 1}}) == "1 of 2 ready"


def test_only_changes_are_told() -> None:
    told: dict[str, str] = {}
    said: list[str] = []
    for phase in ("Training", "Training", "Ready"):
        tell_changes([resource("TwinModel", "hillstrom", phase)], told, said.append)
    assert said == ["TwinModel hillstrom: Training", "TwinModel hillstrom: Ready"]


def test_objects_that_change_alike_share_a_line() -> None:
    items = [resource("Simulation", name, phase) for name, phase in (("a", "Running"), ("b", "Succeeded"))]
    told: dict[str, str] = {}
    said: list[str] = []
    tell_changes(
        [*items, resource("Simulation", "c", "Running"), resource("TwinModel", "d", "Running")], told, said.append
    )
    assert said == ["Simulation a, c: Running", "Simulation b: Succeeded", "TwinModel d: Running"]


def test_a_judgement_of_a_twin_is_told_once_with_its_reason() -> None:
    told: dict[str, str] = {}
    said: list[str] = []
    for message in ("no rows yet", "still none"):
        fault = {"type": "Retrainable", "status": "False", "reason": "NoNewData", "message": message}
        tell_changes([resource("TwinModel", "goods", "Degraded", fault)], told, said.append)
    assert said == ["TwinModel goods: Degraded", "TwinModel goods is not Retrainable: NoNewData"]


def test_what_is_not_known_yet_is_not_told() -> None:
    unknown = {"type": "Faithful", "status": "Unknown", "reason": "NotValidated", "message": "no outcome yet"}
    said: list[str] = []
    tell_changes([resource("TwinModel", "goods", "Ready", unknown)], {}, said.append)
    assert said == ["TwinModel goods: Ready"]


def test_the_deployment_of_a_pool_is_left_to_the_pool() -> None:
    owned = {"name": "heavy", "ownerReferences": [{"kind": "WorkerPool"}]}
    deployment = {"kind": "Deployment", "metadata": owned, "spec": {"replicas": 0}}
    said: list[str] = []
    tell_changes([deployment, resource("WorkerPool", "heavy", "Idle")], {}, said.append)
    assert said == ["WorkerPool heavy: Idle"]


def test_an_object_is_found_by_kind_and_name() -> None:
    items = [resource("TwinModel", "a", "Ready", WAITING), resource("Simulation", "a", "Running")]
    assert phase_of(find(items, "Simulation", "a")) == "Running"
    assert condition(find(items, "TwinModel", "a"), "Ready") == WAITING
    assert find(items, "RetrainingJob", "a") == {}
    assert phase_of({}) == "Pending"
    assert condition({}, "Ready") == {}


@pytest.mark.parametrize(
    "broken", [resource("TwinModel", "hillstrom", "Pending", STALLED), resource("Simulation", "a", "Failed", WAITING)]
)
def test_what_only_a_person_can_mend_ends_the_demo(broken: dict[str, Any]) -> None:
    with pytest.raises(DisappointedError, match=broken["metadata"]["name"]):
        refuse_hopeless([resource("Simulation", "b", "Running"), broken])


def pod(restarts: int) -> dict[str, Any]:
    status = {"phase": "Running", "containerStatuses": [{"restartCount": restarts}]}
    return {"kind": "Pod", "metadata": {"name": "operator-1"}, "status": status}


def test_a_pod_is_told_only_when_it_restarts() -> None:
    said: list[str] = []
    for restarts in (0, 1):
        tell_changes([pod(restarts)], {}, said.append)
    assert said == ["Pod operator-1: Running, restarted 1 times"]


def test_a_pod_that_does_not_stay_up_ends_the_demo() -> None:
    refuse_hopeless([pod(1)])
    with pytest.raises(DisappointedError, match="operator-1"):
        refuse_hopeless([pod(5)])

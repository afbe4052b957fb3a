"""What a Pod's containers were before this run of the node agent: pure."""

from __future__ import annotations

from typing import Any

from devcluster.node.backoff import runs_again
from devcluster.node.status import Record

Json = dict[str, Any]

# A kubelet, too, gives this code and reason to containers that it finds gone.
_LOST = {"exitCode": 137, "reason": "ContainerStatusUnknown", "message": "its process ended with the node agent"}


def restored(pod: Json, containers: str, statuses: str) -> list[Record]:
    """Give the records of a Pod's containers, with the counts and ends of its status."""
    known = {status["name"]: status for status in pod.get("status", {}).get(statuses) or []}
    policy = pod["spec"]["restartPolicy"]
    if containers == "initContainers" and policy == "Always":
        policy = "OnFailure"
    return [_restored(spec, known.get(spec["name"]), policy) for spec in pod["spec"].get(containers) or []]


def _restored(spec: Json, status: Json | None, policy: str) -> Record:
    record = Record(spec["name"], spec.get("image", ""))
    if status is None:
        return record
    record.restarts = status["restartCount"]
    record.last = status.get("lastState") or {}
    state: Json = status.get("state") or {}
    if "running" in state:
        state = {"terminated": {**_LOST, **state["running"], "containerID": status.get("containerID", "")}}
    if "terminated" in state:
        _ended(record, state, policy)
    return record


def _ended(record: Record, state: Json, policy: str) -> None:
    if runs_again(policy, state["terminated"]["exitCode"]):
        record.last = state
        record.restarts += 1
    else:
        record.state, record.done = state, True

"""The status of a Pod, from what its containers do: pure, in the words of a kubelet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from devcluster.layout import LOOPBACK

Json = dict[str, Any]


@dataclass
class Record:
    """What is known of one container."""

    name: str
    image: str
    state: Json = field(default_factory=lambda: {"waiting": {"reason": "ContainerCreating"}})
    last: Json = field(default_factory=dict)
    restarts: int = 0
    ready: bool = False
    started: bool = False
    container_id: str = ""
    done: bool = False  # it has ended and will not run again

    def enter(self, state: Json) -> None:
        """Pass into another state; the last end stays on record."""
        if "terminated" in self.state:
            self.last = {"terminated": self.state["terminated"]}
        self.state = state

    @property
    def succeeded(self) -> bool:
        """Whether it has ended well and for good."""
        return self.done and self.state.get("terminated", {}).get("exitCode") == 0

    def status(self) -> Json:
        """Give a ContainerStatus."""
        return {
            "name": self.name,
            "image": self.image,
            "imageID": self.image,
            "containerID": self.container_id,
            "state": self.state,
            "lastState": self.last,
            "restartCount": self.restarts,
            "ready": self.ready,
            "started": self.started,
        }


@dataclass(frozen=True)
class Snapshot:
    """All that the status of a Pod is made of."""

    pod: Json
    address: str
    started_at: str  # when the node took the Pod, RFC 3339
    prepared: bool  # volumes and address are there
    init: Sequence[Record]
    containers: Sequence[Record]
    failure: tuple[str, str] | None = None  # reason and message when the Pod as a whole has failed


def phase(snapshot: Snapshot) -> str:
    """Say where a Pod is in its life."""
    if snapshot.failure or any(record.done and not record.succeeded for record in snapshot.init):
        return "Failed"
    if not all(record.succeeded for record in snapshot.init):
        return "Pending"
    if all(record.done for record in snapshot.containers):
        return "Succeeded" if all(record.succeeded for record in snapshot.containers) else "Failed"
    return "Pending" if any(_never_ran(record) for record in snapshot.containers) else "Running"


def _never_ran(record: Record) -> bool:
    return "waiting" in record.state and not record.last


def pod_status(snapshot: Snapshot, now: str) -> Json:
    """Give the status of a Pod; `now` is RFC 3339 and dates the conditions that changed."""
    where = phase(snapshot)
    status: Json = {
        "phase": where,
        "observedGeneration": snapshot.pod["metadata"].get("generation"),
        "startTime": snapshot.started_at,
        "hostIP": LOOPBACK,
        "hostIPs": [{"ip": LOOPBACK}],
        "podIP": snapshot.address,
        "podIPs": [{"ip": snapshot.address}],
        "conditions": _dated(_conditions(snapshot, where), snapshot.pod, now),
        "initContainerStatuses": [_init_status(record) for record in snapshot.init] or None,
        "containerStatuses": [record.status() for record in snapshot.containers],
    }
    if snapshot.failure:
        status |= {"reason": snapshot.failure[0], "message": snapshot.failure[1]}
    return status


def _init_status(record: Record) -> Json:
    """Give the status of an init container, which counts as ready once it has succeeded."""
    return {**record.status(), "ready": record.succeeded}


def _conditions(snapshot: Snapshot, where: str) -> list[Json]:
    ready = _readiness(snapshot.containers, where)
    initialized = all(record.succeeded for record in snapshot.init)
    waiting = {"reason": "ContainersNotInitialized", "message": _names("incomplete", _incomplete(snapshot.init))}
    return [
        {"type": "PodReadyToStartContainers", "status": _truth(snapshot.prepared)},
        {"type": "Initialized", "status": _truth(initialized), **({} if initialized else waiting)},
        {"type": "ContainersReady", **ready},
        {"type": "Ready", **_gated(ready, snapshot.pod)},
    ]


def _readiness(records: Sequence[Record], where: str) -> Json:
    if where in {"Succeeded", "Failed"}:
        return {"status": "False", "reason": "PodCompleted" if where == "Succeeded" else "PodFailed"}
    unready = [record.name for record in records if not record.ready]
    if not unready:
        return {"status": "True"}
    return {"status": "False", "reason": "ContainersNotReady", "message": _names("unready", unready)}


def _gated(ready: Json, pod: Json) -> Json:
    """Hold readiness back until the conditions that the Pod names as gates are true."""
    given = {each["type"]: each["status"] for each in pod.get("status", {}).get("conditions") or []}
    gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates") or []]
    closed = [gate for gate in gates if given.get(gate) != "True"]
    if ready["status"] == "True" and closed:
        return {"status": "False", "reason": "ReadinessGatesNotReady", "message": ", ".join(closed)}
    return ready


def _incomplete(records: Iterable[Record]) -> list[str]:
    return [record.name for record in records if not record.succeeded]


def _names(what: str, names: Sequence[str]) -> str:
    return f"containers with {what} status: [{' '.join(names)}]"


def _truth(value: bool) -> str:  # noqa: FBT001 - the value is all it is about
    return "True" if value else "False"


def _dated(conditions: list[Json], pod: Json, now: str) -> list[Json]:
    """Keep the transition time of what has not changed; name every field so that a patch clears the rest."""
    earlier = {each["type"]: each for each in pod.get("status", {}).get("conditions") or []}
    return [_condition(condition, earlier.get(condition["type"], {}), now) for condition in conditions]


def _condition(condition: Json, earlier: Json, now: str) -> Json:
    same = earlier.get("status") == condition["status"]
    when = earlier.get("lastTransitionTime") if same else now
    return {"reason": None, "message": None, **condition, "lastTransitionTime": when or now}

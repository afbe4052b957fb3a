"""Follows what happens in the cluster, and says each phase as it changes."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from demo.install import NAMESPACE
from demo.kubernetes import Kubernetes
from demo.telling import Say

Json = dict[str, Any]
_TWINS = "twinmodels,simulations"
_PLATFORM = "deployments,workerpools,pods"
_POLL = 1.0  # seconds: seen as immediate, and kubectl leaves the two cores to the training
_WITHIN = 300.0  # seconds; on two cores all of it takes one or two minutes
_HOPELESS_RESTARTS = 5  # of a container: waits between them already double
_ENDED = frozenset({"Succeeded", "Failed"})


class DisappointedError(Exception):
    """Something ended badly or did not end; the message says what."""


def follow(kubernetes: Kubernetes, say: Say) -> None:
    """Say what changes until every Simulation has succeeded.

    Raises:
        DisappointedError: the twin or a Simulation failed, or it took too long.
    """
    told: dict[str, str] = {}
    deadline = time.monotonic() + _WITHIN
    while True:
        items = [*kubernetes.items(_PLATFORM, "-n", NAMESPACE), *kubernetes.items(_TWINS)]
        tell_changes(items, told, say)
        if is_over(items):
            return
        if time.monotonic() > deadline:
            raise DisappointedError(f"not done after {_WITHIN:.0f} seconds")
        time.sleep(_POLL)


def tell_changes(items: Iterable[Json], told: dict[str, str], say: Say) -> None:
    """Say what is other than it was told before; of Pods, only what restarts."""
    for item in items:
        name, state = f"{item['kind']} {item['metadata']['name']}", describe(item)
        if told.get(name) != state and (item["kind"] != "Pod" or restarts(item)):
            told[name] = state
            say(f"{name}: {state}")


def is_over(items: Iterable[Json]) -> bool:
    """Whether every Simulation has ended well.

    Raises:
        DisappointedError: one has failed, the twin needs a person, or a Pod does not stay up.
    """
    items = list(items)
    for item in items:
        if _is_hopeless(item):
            raise DisappointedError(f"{item['kind']} {item['metadata']['name']}: {describe(item)}")
    phases = [item.get("status", {}).get("phase") for item in items if item["kind"] == "Simulation"]
    return bool(phases) and all(phase in _ENDED for phase in phases)


def _is_hopeless(item: Json) -> bool:
    if item["kind"] == "Pod":
        return restarts(item) >= _HOPELESS_RESTARTS
    stalled = _condition(item, "Stalled").get("status") == "True"
    return stalled or item.get("status", {}).get("phase") == "Failed"


def restarts(pod: Json) -> int:
    """Give how often the container of a Pod that restarted most has done so."""
    return max((each["restartCount"] for each in pod.get("status", {}).get("containerStatuses", [])), default=0)


def describe(item: Json) -> str:
    """Say how an object is: its phase, and why it is not ready."""
    status = item.get("status", {})
    if item["kind"] == "Deployment":
        return f"{status.get('readyReplicas', 0)} of {item['spec']['replicas']} ready"
    if item["kind"] == "Pod" and restarts(item):
        return f"{status.get('phase')}, restarted {restarts(item)} times"
    phase, ready = str(status.get("phase", "Pending")), _condition(item, "Ready")
    if ready.get("status") == "False":
        return f"{phase} ({ready.get('reason')}: {ready.get('message')})"
    return phase


def _condition(item: Json, kind: str) -> Json:
    conditions: list[Json] = item.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == kind), {})

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
_PLATFORM = "deployments,workerpools"
_POLL = 1.0  # seconds: seen as immediate, and kubectl leaves the two cores to the training
_WITHIN = 300.0  # seconds; on two cores all of it takes one or two minutes
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
        twins = kubernetes.items(_TWINS)
        tell_changes([*kubernetes.items(_PLATFORM, "-n", NAMESPACE), *twins], told, say)
        if is_over(twins):
            return
        if time.monotonic() > deadline:
            raise DisappointedError(f"not done after {_WITHIN:.0f} seconds")
        time.sleep(_POLL)


def tell_changes(items: Iterable[Json], told: dict[str, str], say: Say) -> None:
    """Say what is other than it was told before."""
    for item in items:
        name, state = f"{item['kind']} {item['metadata']['name']}", describe(item)
        if told.get(name) != state:
            told[name] = state
            say(f"{name}: {state}")


def is_over(twins: Iterable[Json]) -> bool:
    """Whether every Simulation has ended well.

    Raises:
        DisappointedError: one has failed, or the twin needs a person.
    """
    twins = list(twins)
    for item in twins:
        if _condition(item, "Stalled").get("status") == "True" or item.get("status", {}).get("phase") == "Failed":
            raise DisappointedError(f"{item['kind']} {item['metadata']['name']}: {describe(item)}")
    simulations = [item for item in twins if item["kind"] == "Simulation"]
    return bool(simulations) and all(item.get("status", {}).get("phase") in _ENDED for item in simulations)


def describe(item: Json) -> str:
    """Say how an object is: its phase, and why it is not ready."""
    status = item.get("status", {})
    if item["kind"] == "Deployment":
        return f"{status.get('readyReplicas', 0)} of {item['spec']['replicas']} ready"
    phase, ready = str(status.get("phase", "Pending")), _condition(item, "Ready")
    if ready.get("status") == "False":
        return f"{phase} ({ready.get('reason')}: {ready.get('message')})"
    return phase


def _condition(item: Json, kind: str) -> Json:
    conditions: list[Json] = item.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == kind), {})

"""Follows the cluster, and prints each phase and some conditions when they change."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from demo.install import NAMESPACE
from demo.kubernetes import Kubernetes
from demo.telling import Say

Json = dict[str, Any]
Items = Sequence[Json]
_TWINS = "twinmodels,simulations,retrainingjobs"
_PLATFORM = "deployments,workerpools,pods"
_POLL = 1.0  # seconds: seen as immediate, and kubectl leaves the two cores to the training
_WITHIN = 300.0  # seconds; on two cores each wait takes up to one minute
_HOPELESS_RESTARTS = 5  # of a container: waits between them already double
_ENDED = frozenset({"Succeeded", "Failed"})
# Besides Ready, which the phase shows: whether a twin is still right, may be trained again, and was.
_TELLING = ("Faithful", "Retrainable", "Promoted")


class DisappointedError(Exception):
    """Something ended badly or did not end; the message says what."""


@dataclass
class Watch:
    """Polls the cluster until a condition holds, and remembers what it has printed."""

    kubernetes: Kubernetes
    say: Say
    _told: dict[str, str] = field(default_factory=dict)

    def until(self, awaited: str, holds: Callable[[Items], bool]) -> Items:
        """Say what changes until the items are as awaited; give them.

        Raises:
            DisappointedError: something of them failed for good, or it took too long.
        """
        deadline = time.monotonic() + _WITHIN
        while True:
            items = [*self.kubernetes.items(_PLATFORM, "-n", NAMESPACE), *self.kubernetes.items(_TWINS)]
            tell_changes(items, self._told, self.say)
            refuse_hopeless(items)
            if holds(items):
                return items
            if time.monotonic() > deadline:
                raise DisappointedError(f"not seen within {_WITHIN:.0f} seconds: {awaited}")
            time.sleep(_POLL)

    def until_answered(self, names: Iterable[str]) -> dict[str, Json]:
        """Wait until these Simulations have ended well; give them by name."""
        return self._simulations("answered", names, lambda item: phase_of(item) in _ENDED)

    def until_graded(self, names: Iterable[str]) -> dict[str, Json]:
        """Wait until the outcomes of these Simulations are graded; give them by name."""
        return self._simulations("graded", names, lambda item: "fidelity" in item.get("status", {}))

    def _simulations(self, awaited: str, names: Iterable[str], done: Callable[[Json], bool]) -> dict[str, Json]:
        wanted = list(names)
        items = self.until(
            f"{awaited}: {', '.join(wanted)}",
            lambda items: all(done(find(items, "Simulation", name)) for name in wanted),
        )
        return {name: find(items, "Simulation", name) for name in wanted}


def find(items: Iterable[Json], kind: str, name: str) -> Json:
    """Give the object of that kind and name; an empty one where there is none."""
    return next((item for item in items if item["kind"] == kind and item["metadata"]["name"] == name), {})


def phase_of(item: Json) -> str:
    """Give the phase of an object; Pending before it has one."""
    return str(item.get("status", {}).get("phase", "Pending"))


def condition(item: Json, kind: str) -> Json:
    """Give a condition of an object; an empty one where it has none."""
    conditions: list[Json] = item.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == kind), {})


def tell_changes(items: Iterable[Json], told: dict[str, str], say: Say) -> None:
    """Print what changed since it was last printed, in one line for all of a kind that changed alike.

    Of Pods only restarts are printed, of a pool's Deployment nothing: the pool shows it.
    """
    alike: dict[tuple[str, str], list[str]] = {}
    for item in items:
        for subject, state in _states(item).items():
            if told.get(subject) != state:
                told[subject] = state
                alike.setdefault((item["kind"], state), []).append(item["metadata"]["name"])
    for (kind, state), names in alike.items():
        say(f"{kind} {', '.join(names)}{state}")


def _states(item: Json) -> dict[str, str]:
    """Return what to print of an object, by subject."""
    name = f"{item['kind']} {item['metadata']['name']}"
    if (item["kind"] == "Pod" and not restarts(item)) or _is_of_pool(item):
        return {}
    found = {kind: condition(item, kind) for kind in _TELLING}
    return {name: f": {describe(item)}"} | {
        f"{name} {kind}": f" is{'' if each['status'] == 'True' else ' not'} {kind}: {each['reason']}"
        for kind, each in found.items()
        if each.get("status") in {"True", "False"}
    }


def _is_of_pool(item: Json) -> bool:
    return item["kind"] == "Deployment" and "ownerReferences" in item["metadata"]


def refuse_hopeless(items: Iterable[Json]) -> None:
    """Find what only a user can fix.

    Raises:
        DisappointedError: a Simulation has failed, something is stalled, or a Pod does not stay up.
    """
    for item in items:
        if _is_hopeless(item):
            raise DisappointedError(f"{item['kind']} {item['metadata']['name']}: {describe(item)}")


def _is_hopeless(item: Json) -> bool:
    if item["kind"] == "Pod":
        return restarts(item) >= _HOPELESS_RESTARTS
    stalled = condition(item, "Stalled").get("status") == "True"
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
    phase, ready = phase_of(item), condition(item, "Ready")
    if ready.get("status") == "False":
        return f"{phase} ({ready.get('reason')}: {ready.get('message')})"
    return phase

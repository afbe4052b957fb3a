"""What `kubectl twin` writes: the patches and objects of its commands, or why a command does not apply.

Pure functions of the objects that a command has read; reading and writing are in `kubectl_twin`.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from twin_operator.api.v1alpha1 import API_VERSION
from twin_operator.api.v1alpha1.conditions import RetrainingJobPhase

JSON = dict[str, Any]
ROLLBACK: Final = "twinops.dev/rollback-"
"""Prefix of the four annotations that ask the operator to move a champion back; they count together."""
_FINISHED: Final = {phase.value for phase in RetrainingJobPhase if phase.finished}
_LISTED: Final = 10  # versions in a message


class Impossible(Exception):  # noqa: N818 - a fact about the object
    """The command does not apply to this object; the message says why and what to do instead."""


def decision_patch(*, approved: bool, by: str, message: str | None) -> JSON:
    """Return the patch that decides about a RetrainingJob."""
    return {"spec": {"approval": _given(approved=approved, by=by, message=message)}}


def cancellation_patch(job: JSON) -> JSON:
    """Return the patch that stops a RetrainingJob.

    Raises:
        Impossible: it has finished.
    """
    phase = (job.get("status") or {}).get("phase")
    if phase in _FINISHED:
        raise Impossible(f"RetrainingJob {job['metadata']['name']} has finished ({phase}), so it cannot be cancelled.")
    return {"spec": {"cancel": True}}


def outcome_patch(**given: float | str | None) -> JSON:
    """Return the patch that records the outcome of a Simulation, from fields named as on the wire."""
    return {"spec": {"observed": _given(**given)}}


def retraining_job(model: str, message: str | None, max_regression: float | None, *, override_cooldown: bool) -> JSON:
    """Return a RetrainingJob of a model; the server completes its name."""
    spec: JSON = {"modelRef": {"name": model}, "trigger": _given(type="Manual", message=message)}
    if override_cooldown:
        spec["overrideCooldown"] = True
    if max_regression is not None:
        spec["gate"] = {"maxRegression": max_regression}
    metadata = {"generateName": f"{model}-"}
    return {"apiVersion": API_VERSION, "kind": "RetrainingJob", "metadata": metadata, "spec": spec}


def rollback_patch(model: JSON, to: str | None, reason: str, by: str, jobs: Sequence[JSON] = ()) -> JSON:
    """Return the patch that asks for an earlier version of a model in place of the one that serves.

    Args:
        model: the TwinModel.
        to: the version; None for the one that served before the last promotion.
        reason: why, in words.
        by: who asks.
        jobs: RetrainingJobs of the model, which name more of its versions.

    Raises:
        Impossible: no version serves, it is pinned, there is none to go back to, or none with that number.
    """
    name, status = model["metadata"]["name"], model.get("status") or {}
    serving = (status.get("model") or {}).get("version")
    wanted = to or (status.get("retraining") or {}).get("previousVersion")
    if serving is None:
        raise Impossible(f"No version of TwinModel {name} serves, so there is none to roll back.")
    if pinned := model["spec"].get("version"):
        raise Impossible(f"TwinModel {name} is pinned to version {pinned}: change or remove spec.version instead.")
    if wanted is None:
        raise Impossible(f"TwinModel {name} knows of no version before {serving}: name one with --to.")
    if wanted == serving:
        raise Impossible(f"Version {serving} of TwinModel {name} serves already: name another one with --to.")
    _refuse_unknown(name, wanted, _versions(status, jobs))
    parts = {"from": serving, "to": wanted, "reason": reason, "by": by}
    return {"metadata": {"annotations": {f"{ROLLBACK}{part}": text for part, text in parts.items()}}}


def _refuse_unknown(name: str, wanted: str, known: Sequence[int]) -> None:
    """Refuse what is no version, or newer than every version that the cluster knows.

    The cluster forgets old versions with their RetrainingJobs, so that an earlier number is left to the operator, which
    asks the registry; numbers are given in order, so that a later one was never given.
    """
    if not (wanted.isascii() and wanted.isdigit() and 1 <= int(wanted) <= known[-1]):
        listed = ", ".join(map(str, known[-_LISTED:]))
        raise Impossible(f"TwinModel {name} has no version {wanted}: known are {listed}.")


def _versions(status: JSON, jobs: Sequence[JSON]) -> list[int]:
    """Return the numbers of versions that a TwinModel's status and its RetrainingJobs name, in order."""
    return sorted({int(number) for number in _named(status, jobs) if number})


def _named(status: JSON, jobs: Sequence[JSON]) -> Iterator[str | None]:
    retraining = status.get("retraining") or {}
    yield (status.get("model") or {}).get("version")
    yield retraining.get("previousVersion")
    yield retraining.get("rolledBackVersion")
    for job in jobs:
        for contender in ("candidate", "champion"):
            yield ((job.get("status") or {}).get(contender) or {}).get("version")


def _given(**fields: bool | float | str | None) -> JSON:
    return {name: value for name, value in fields.items() if value is not None}

"""What a model's jobs leave in its status: failed attempts, the start of the cool-down, and whose turn it is."""

from collections.abc import Collection, Iterable, Sequence

from twin_operator.api.v1alpha1.conditions import ConditionType, RetrainingJobPhase
from twin_operator.api.v1alpha1.enums import Trigger
from twin_operator.services.retraining.state import AT_WORK, finished, started, waits_for_its_turn
from twin_operator.services.runs.run import JSON

AFRESH = frozenset({Trigger.MANUAL, Trigger.SPEC_CHANGED})
COUNTED = frozenset({"Completed", "Failed", "Rejected"})
URGENCY = {trigger: place for place, trigger in enumerate(Trigger)} | {
    Trigger.MANUAL: -6,  # somebody is waiting for it
    Trigger.FIDELITY_DEGRADED: -5,
    Trigger.COVERAGE_DROP: -4,
    Trigger.PREDICTION_ERROR: -3,
    Trigger.SPEC_CHANGED: -2,
    Trigger.NEW_DATA: -1,
}


def accounted(retraining: JSON, jobs: Iterable[JSON]) -> JSON:
    """Return `status.retraining` with every job counted that ended since; each is counted once.

    A cancelled job neither counts as an attempt nor starts a cool-down.
    """
    state = dict(retraining)
    for job in sorted((job for job in jobs if _counts(job)), key=_end):
        if _end(job) > (state.get("lastFinishedTime") or "", state.get("lastJob") or ""):
            state = _after(state, job)
    return state


def _counts(job: JSON) -> bool:
    status = job.get("status") or {}
    return status.get("phase") in COUNTED and bool(status.get("completionTime"))


def _end(job: JSON) -> tuple[str, str]:
    return str(job["status"]["completionTime"]), str(job["metadata"]["name"])


def _after(state: JSON, job: JSON) -> JSON:
    before = 0 if _trigger(job) in AFRESH else state.get("failedAttempts") or 0
    moment, name = _end(job)
    tried = job["status"].get("plan") or {}
    after = {**state, "lastJob": name, "lastFinishedTime": moment, "failedAttempts": 0 if promoted(job) else before + 1}
    if (
        job["status"]["phase"] == RetrainingJobPhase.COMPLETED
    ):  # what failed or was rejected may be tried again with the same rows
        after |= {
            "triedSpecDigest": tried.get("specDigest") or state.get("triedSpecDigest"),
            "triedDataDigest": tried.get("dataDigest") or state.get("triedDataDigest"),
        }
    return after


def promoted(job: JSON) -> bool:
    """Whether a job's candidate serves since."""
    conditions = (job.get("status") or {}).get("conditions") or ()
    return any(c["type"] == ConditionType.PROMOTED and c["status"] == "True" for c in conditions)


def next_turn(jobs: Sequence[JSON], holder: str | None, gone: Collection[str], *, cooled: bool) -> str | None:
    """Return the job that may work on the model now.

    Args:
        jobs: those of the model.
        holder: the one whose turn it was.
        gone: names that are known not to exist any more; a holder that is merely unseen keeps its turn.
        cooled: whether the model's cool-down is over, with every job accounted for. A job that does not know yet that
            it has to cool down must not get the turn: it would keep others from it all the while.
    """
    current = next((job for job in jobs if job["metadata"]["name"] == holder), None)
    if holder and holder not in gone and (current is None or not finished(current)):
        return holder
    waiting = [job for job in jobs if waits_for_its_turn(job) and (cooled or _needs_no_cool_down(job))]
    chosen = min(waiting, key=_place, default=None)
    return None if chosen is None else str(chosen["metadata"]["name"])


def _needs_no_cool_down(job: JSON) -> bool:
    return started(job) or bool(job["spec"].get("overrideCooldown"))


def _place(job: JSON) -> tuple[bool, int, str, str]:
    at_work = (job.get("status") or {}).get("phase") in AT_WORK
    meta = job["metadata"]
    return not at_work, URGENCY[_trigger(job)], meta.get("creationTimestamp", ""), meta["name"]


def _trigger(job: JSON) -> Trigger:
    return Trigger((job["spec"].get("trigger") or {}).get("type", "Manual"))

"""What keeps a serving model faithful: its grade by outcomes, and whether and why it is retrained. Only decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from twin_operator.api.v1alpha1.conditions import ConditionType
from twin_operator.api.v1alpha1.enums import Trigger
from twin_operator.domain.faithfulness import Thresholds, Verdict, judge
from twin_operator.domain.ledger import RecordedOutcome
from twin_operator.domain.mixture import Contrast, TauWeights, tau_weights
from twin_operator.domain.significance import significance, trend_p
from twin_operator.domain.window import Summary, ledger_of, summarise, window_of
from twin_operator.services.conditions import Fact, timestamp
from twin_operator.services.errors import Stalled
from twin_operator.services.fidelity.status import fidelity_status
from twin_operator.services.retraining.job_state import finished, seconds
from twin_operator.services.retraining.policy import RetrainingPolicy
from twin_operator.services.retraining.schedule import next_time
from twin_operator.services.retraining.triggers import (
    DataSeen,
    History,
    Idle,
    Obstacle,
    TriggerSnapshot,
    Wanted,
    decide,
)
from twin_operator.services.tasks import JSON
from twin_operator.services.twin_spec import spec_digest

DEGRADED = {
    "FidelityDegraded": Trigger.FIDELITY_DEGRADED,
    "CoverageDrop": Trigger.COVERAGE_DROP,
    "PredictionError": Trigger.PREDICTION_ERROR,
}
Arms = tuple[str, str]


@dataclass(frozen=True)
class Health:
    """How right the serving version has been.

    Attributes:
        window: the outcomes that count, newest first.
        summary: their figures; None without any.
        verdict: what they say of the model.
        trend_p: chance of a trend of the error over time as strong as this, were there none.
        spread: median SD between experiments, in outcome units.
    """

    window: tuple[RecordedOutcome, ...]
    summary: Summary | None
    verdict: Verdict
    trend_p: float
    spread: float | None


def health_of(spec: JSON, model: JSON, outcomes: Sequence[RecordedOutcome], contrasts: Sequence[Contrast]) -> Health:
    """Judge the version that serves.

    Args:
        spec: the TwinModel's.
        model: its `status.model`.
        outcomes: every outcome of its registered model.
        contrasts: of the version, from the registry.
    """
    policy = spec.get("fidelity") or {}
    known = {name for contrast in contrasts for name in contrast.experiments}
    # What the version was trained on it does not predict; that it repeats it is no merit.
    window = window_of((o for o in outcomes if o.experiment not in known), model["version"], policy.get("window", 50))
    summary = summarise(window)
    thresholds = Thresholds(
        policy.get("threshold", 0.7),
        policy.get("minValidations", 5),
        policy.get("maxMeanRelativeError", 0.25),
        policy.get("minIntervalCoverage", 0.8),
    )
    scale = spec["uncertainty"]["betweenExperimentScale"]
    trained = seconds(model.get("trainedTime")) or 0.0
    frozen = weights_by_arms(contrasts, scale, [o for o in outcomes if o.recorded < trained], window)
    experiments = max((len(c.experiments) for c in contrasts), default=0)
    verdict = judge(summary, significance(window, frozen), thresholds, experiments)
    return Health(window, summary, verdict, trend_p(window, frozen), _spread(contrasts, scale, outcomes))


def weights_by_arms(
    contrasts: Sequence[Contrast], scale: float, outcomes: Sequence[RecordedOutcome], window: Sequence[RecordedOutcome]
) -> Mapping[Arms, TauWeights]:
    """Return the tau weights of the contrasts that a window asks about, frozen at the outcomes that are given.

    Weights that had learned from the window could never reject: any miss would be a difference between experiments.
    """
    asked = {(o.arm, o.against) for o in window}
    return {
        (c.arm, c.against): tau_weights(c, scale, ledger_of(outcomes, c))
        for c in contrasts
        if (c.arm, c.against) in asked
    }


def _spread(contrasts: Sequence[Contrast], scale: float, outcomes: Sequence[RecordedOutcome]) -> float | None:
    """Return the median of tau of the contrast that most is known of."""
    known = [(len(c.experiments) + len(ledger_of(outcomes, c)), c) for c in contrasts]
    best = max(known, key=lambda pair: pair[0], default=None)
    return None if best is None else tau_weights(best[1], scale, ledger_of(outcomes, best[1])).median


@dataclass(frozen=True)
class UpkeepSnapshot:
    """A TwinModel that serves, and what is known of it.

    Attributes:
        body: the object.
        health: None while the archive is down and nothing is known.
        trouble: what is wrong with the archive, if anything.
        retraining: `status.retraining` with every job accounted for.
        jobs: the model's RetrainingJobs.
        seen: what the last look at the data found by this spec and version, or why it found nothing.
    """

    body: JSON
    health: Health | None
    trouble: str | None
    retraining: JSON
    jobs: Sequence[JSON]
    seen: DataSeen | Obstacle


@dataclass(frozen=True)
class Upkeep:
    """What is to be written and done.

    Attributes:
        status: `fidelity` and `retraining` of the model's status.
        facts: conditions beside Ready.
        degraded: whether Faithful is False.
        wanted: a job to be made.
        skipped: why the schedule passes without one, when it is due.
        again: when to look again, seconds since the epoch.
    """

    status: JSON
    facts: list[Fact] = field(default_factory=list)
    degraded: bool = False
    wanted: Wanted | None = None
    skipped: Obstacle | None = None
    again: float | None = None


def upkeep(snapshot: UpkeepSnapshot, now: float) -> Upkeep:
    """Decide what a serving model needs; `now` in seconds since the epoch."""
    policy = RetrainingPolicy.of(snapshot.body["spec"])
    facts = [*_archive(snapshot), *_faithful(snapshot)]
    try:
        due, upcoming = _schedule(snapshot, policy, now)
        decision = decide(_triggers(snapshot, policy, due), now) if snapshot.health is not None else Idle()
    except Stalled as stalled:
        due, upcoming, decision = None, None, Obstacle(stalled.reason, stalled.message)
    if isinstance(decision, Obstacle):
        facts.append(Fact("Retrainable", "False", decision.reason, decision.message))
    retraining = {**snapshot.retraining, "nextScheduledTime": timestamp(upcoming)}
    allowed = seconds(retraining.get("lastFinishedTime"))
    retraining["nextAllowedTime"] = None if allowed is None else timestamp(allowed + policy.cooldown)
    status: JSON = {"retraining": retraining}
    if snapshot.health is not None:
        status["fidelity"] = fidelity_status(snapshot.health.window, snapshot.health.summary, snapshot.health.spread)
    degraded = any(fact.type == ConditionType.FAITHFUL and fact.status == "False" for fact in facts)
    return Upkeep(
        status,
        facts,
        degraded,
        wanted=decision if isinstance(decision, Wanted) else None,
        skipped=decision if isinstance(decision, Obstacle) and due is not None else None,
        again=upcoming,
    )


def _archive(snapshot: UpkeepSnapshot) -> list[Fact]:
    if snapshot.trouble is None:
        return []
    message = (
        f"{snapshot.trouble} Simulations finish all the same and are archived later; "
        "outcomes are graded when it is back."
    )
    return [Fact("ArchiveReachable", "False", "ArchiveUnreachable", message)]


def _faithful(snapshot: UpkeepSnapshot) -> list[Fact]:
    if snapshot.health is None:
        known = (snapshot.body.get("status") or {}).get("conditions") or ()
        kept = [c for c in known if c["type"] == "Faithful"]
        return [Fact(c["type"], c["status"], c["reason"], c["message"]) for c in kept]
    verdict = snapshot.health.verdict
    if verdict.kind in DEGRADED:
        status = "False"
    else:
        status = "True" if verdict.kind in {"ThresholdsMet", "WithinChance"} else "Unknown"
    sentence = verdict.sentence
    if status == "False" and isinstance(snapshot.seen, DataSeen) and snapshot.seen.new_rows == 0:
        sentence += " It needs new data: there are no rows that this version was not trained on."
    return [Fact("Faithful", status, verdict.kind, sentence)]


def _schedule(snapshot: UpkeepSnapshot, policy: RetrainingPolicy, now: float) -> tuple[float | None, float | None]:
    """Return when the schedule was due, if it was, and when it is due next; missed times are one."""
    if policy.schedule is None:
        return None, None
    status = snapshot.body.get("status") or {}
    settled = status.get("observedGeneration") == snapshot.body["metadata"].get("generation")
    planned = seconds(snapshot.retraining.get("nextScheduledTime")) if settled else None
    upcoming = next_time(policy.schedule, policy.zone, now)
    if planned is None or planned > now:
        return None, upcoming if planned is None else planned
    return planned, upcoming


def _breaches(health: Health | None) -> list[Trigger]:
    """Return the triggers that fidelity gives: none while misses are within chance."""
    if health is None or health.verdict.kind not in DEGRADED:
        return []
    return [DEGRADED[breach] for breach in health.verdict.breaches]


def _triggers(snapshot: UpkeepSnapshot, policy: RetrainingPolicy, due: float | None) -> TriggerSnapshot:
    body, health, retraining = snapshot.body, snapshot.health, snapshot.retraining
    spec, model = body["spec"], body["status"]["model"]
    return TriggerSnapshot(
        uid=body["metadata"]["uid"],
        name=body["metadata"]["name"],
        policy=policy,
        suspended=bool(spec.get("suspend")),
        pinned=spec.get("version"),
        version=model["version"],
        trained_spec=model.get("specDigest"),
        trained_data=model.get("dataDigest"),
        spec=spec_digest(spec),
        breaches=_breaches(health),
        fault="" if health is None else health.verdict.sentence,
        data=snapshot.seen,
        due=due,
        history=History(
            failed_attempts=retraining.get("failedAttempts") or 0,
            last_finished=retraining.get("lastFinishedTime"),
            tried_spec=retraining.get("triedSpecDigest"),
            tried_data=retraining.get("triedDataDigest"),
            unfinished=any(not finished(job) for job in snapshot.jobs),
        ),
    )

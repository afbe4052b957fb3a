"""What a serving model needs: its grade by outcomes, its schedule, and the obstacles that people see."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from twin_operator.api.v1alpha1 import TwinModel
from twin_operator.api.v1alpha1.enums import Trigger
from twin_operator.api.v1alpha1.twin_model_status import RetrainingState, ServingModel, TwinFidelity
from twin_operator.domain.fidelity.grading import grade
from twin_operator.domain.fidelity.ledger import Issued, Observed, RecordedOutcome
from twin_operator.domain.twin import Contrast, tau_weights
from twin_operator.services.outcomes.health import Health, health_of
from twin_operator.services.retraining.triggers import DataSeen, Obstacle
from twin_operator.services.runs.run import JSON
from twin_operator.services.runs.twin_spec import spec_digest
from twin_operator.services.twin_models.upkeep import Upkeep, UpkeepSnapshot, upkeep

NOW = 1_800_000_000.0
DAY = 86_400.0
SPEC: JSON = {
    "data": {"uri": "file:///data/a.csv"},
    "columns": {
        "features": [{"name": "age", "type": "Numeric"}],
        "treatment": {"name": "arm", "control": "A"},
        "outcome": {"name": "y", "type": "Binary", "better": "Higher"},
    },
    "learner": {"algorithm": "Linear", "folds": 5, "seed": 0},
    "uncertainty": {"confidence": 0.95, "betweenExperimentScale": 0.25, "acceptPrior": False},
}
MODEL = {
    "version": "1",
    "specDigest": "another",
    "dataDigest": "sha256:old",
    "trainedTime": "2027-01-01T00:00:00Z",
}
EXPERIMENTS = tuple(f"past-{number}" for number in range(8))
CONTRAST = Contrast(
    arm="B",
    against="A",
    experiments=EXPERIMENTS,
    y=np.linspace(0.068, 0.078, 8),
    v=np.full(8, 0.005**2),
    pi=np.full(8, 1 / 8),
    sd0=0.3,
)
ISSUED = Issued(0.073, 0.006, 0.002, 1 / 8, 9_998.0, 0.3, 0.35)
NEWS = DataSeen("sha256:new", rows=5_000, new_rows=400)


def outcome(number: int, effect: float, **changes: Any) -> RecordedOutcome:
    observed = Observed(f"new-{number}", effect, standard_error=0.004)
    values = {
        "simulation": f"u{number}",
        "name": f"s{number}",
        "registered_model": "n.m",
        "model_version": "1",
        "experiment": observed.experiment,
        "arm": "B",
        "against": "A",
        "where": (),
        "population_share": 1.0,
        "issued": ISSUED,
        "observed": effect,
        "graded": grade(ISSUED, tau_weights(CONTRAST, 0.25), observed),
        "hindsight": False,
        "predicted_at": NOW - 50,
        "time": NOW - 40 + number,
        "recorded": NOW - 40 + number,
    }
    return RecordedOutcome(**{**values, **changes})


RIGHT = [outcome(number, 0.073 + 0.002 * (-1) ** number) for number in range(6)]
WRONG = [outcome(number, 0.012) for number in range(5)]


def serving_model(*, settled: bool = True, **spec: Any) -> TwinModel:
    """A TwinModel that serves a version of its present spec; its status is of that spec where it is settled."""
    metadata = {"name": "m", "namespace": "n", "uid": "u", "generation": 2}
    status = {"observedGeneration": 2 if settled else 1, "fidelity": {"score": 0.9}}
    unserved = TwinModel.model_validate({"metadata": metadata, "spec": {**SPEC, **spec}, "status": status})
    serving = ServingModel.model_validate({**MODEL, "specDigest": spec_digest(unserved.spec)})
    return unserved.replace(status=unserved.status.replace(model=serving))


def keep(
    outcomes: list[RecordedOutcome] | None,
    state: RetrainingState | None = None,
    seen: DataSeen | Obstacle = NEWS,
    *,
    trouble: str | None = None,
    missing: int = 0,
    settled: bool = True,
    now: float = NOW,
    **spec: Any,
) -> Upkeep:
    model = serving_model(settled=settled, **spec)
    health = None
    if outcomes is not None:
        health = health_of(model, outcomes, [CONTRAST, CONTRAST.reversed()])
    return upkeep(UpkeepSnapshot(model, health, trouble, missing, state or RetrainingState(), [], None, seen), now)


def fact(decision: Upkeep, kind: str) -> tuple[str, str] | None:
    return next(((f.status, f.reason) for f in decision.facts if f.type == kind), None)


def test_a_model_whose_predictions_come_true_is_faithful() -> None:
    decision = keep(RIGHT, seen=DataSeen("sha256:old", 5_000, 0))
    assert fact(decision, "Faithful") == ("True", "ThresholdsMet")
    assert decision.wanted is None
    fidelity = decision.fidelity
    assert fidelity is not None
    assert (fidelity.grade, fidelity.validations, fidelity.coverage) == ("Excellent", 6, 1.0)
    assert [each.simulation for each in fidelity.recent] == ["s5", "s4", "s3", "s2", "s1", "s0"]
    assert fidelity.between_experiment_sd is not None
    assert fidelity.between_experiment_sd > 0


def test_a_model_whose_predictions_fail_is_degraded_and_retrained() -> None:
    decision = keep(WRONG)
    assert fact(decision, "Faithful") == ("False", "FidelityDegraded")
    assert decision.degraded
    assert decision.wanted is not None
    assert decision.wanted.trigger is Trigger.FIDELITY_DEGRADED
    assert "5 outcomes" in decision.wanted.message


@pytest.mark.parametrize(
    ("policy", "trigger"),
    [
        ({"threshold": 0.0, "maxMeanRelativeError": 10}, Trigger.COVERAGE_DROP),
        ({"threshold": 0.0, "minIntervalCoverage": 0.0}, Trigger.PREDICTION_ERROR),
    ],
)
def test_each_threshold_of_fidelity_has_its_own_trigger(policy: dict[str, Any], trigger: Trigger) -> None:
    decision = keep(WRONG, fidelity=policy)
    assert fact(decision, "Faithful") == ("False", str(trigger))
    assert decision.wanted is not None
    assert decision.wanted.trigger is trigger


def test_one_bad_outcome_retrains_nothing() -> None:
    decision = keep([*RIGHT[:5], outcome(9, 0.05)], seen=DataSeen("sha256:old", 5_000, 0))
    assert fact(decision, "Faithful") in {("True", "WithinChance"), ("True", "ThresholdsMet")}
    assert decision.wanted is None


def test_too_few_outcomes_judge_nothing() -> None:
    decision = keep(WRONG[:4], seen=DataSeen("sha256:old", 5_000, 0))
    assert fact(decision, "Faithful") == ("Unknown", "InsufficientValidations")
    assert decision.wanted is None


def test_without_new_rows_the_condition_says_what_is_missing() -> None:
    decision = keep(WRONG, seen=DataSeen("sha256:old", 5_000, 0))
    assert fact(decision, "Retrainable") == ("False", "NoNewData")
    assert "needs new data" in next(f.message for f in decision.facts if f.type == "Faithful")
    assert decision.wanted is None


def test_outcomes_of_another_version_and_hindsight_do_not_count() -> None:
    others = [outcome(n, 0.012, model_version="0") for n in range(5)]
    known = [outcome(n + 10, 0.012, hindsight=True) for n in range(5)]
    assert fact(keep(others + known), "Faithful") == ("Unknown", "NotValidated")


def test_an_experiment_that_the_version_was_trained_on_is_no_validation() -> None:
    repeated = [outcome(n, 0.073, experiment=name) for n, name in enumerate(EXPERIMENTS)]
    assert fact(keep(repeated), "Faithful") == ("Unknown", "NotValidated")


def test_a_twin_does_not_learn_from_the_misses_that_it_is_judged_by() -> None:
    early = [outcome(n + 20, 0.012, model_version="0", recorded=1.0) for n in range(6)]
    assert fact(keep(WRONG), "Faithful") == ("False", "FidelityDegraded")
    assert fact(keep(early + WRONG), "Faithful") == ("True", "WithinChance")  # it knew before that effects differ so


def test_outcomes_that_the_archive_lacks_are_told_and_stop_decisions() -> None:
    decision = keep(None, missing=3)
    assert fact(decision, "OutcomesIncomplete") == ("True", "OutcomesMissing")
    assert "lacks 3 graded outcomes" in decision.facts[0].message
    assert decision.fidelity is not None
    assert decision.fidelity.score == 0.9
    assert decision.wanted is None


def test_an_archive_that_is_down_is_told_and_stops_decisions() -> None:
    decision = keep(None, trouble="The archive does not answer.")
    assert fact(decision, "ArchiveReachable") == ("False", "ArchiveUnreachable")
    assert decision.wanted is None
    assert decision.fidelity == TwinFidelity(score=0.9)


CRON: dict[str, Any] = {"retraining": {"schedule": "0 3 * * *"}}
TOMORROW = datetime(2027, 1, 16, 3, tzinfo=UTC)
DUE = datetime(2027, 1, 15, 3, tzinfo=UTC)  # five hours before NOW
SAME_BYTES = DataSeen("sha256:old", 5_000, 400)


def test_a_schedule_that_is_due_makes_one_job_however_many_times_were_missed() -> None:
    decision = keep(RIGHT, RetrainingState(next_scheduled_time=datetime(2027, 1, 1, 3, tzinfo=UTC)), SAME_BYTES, **CRON)
    assert decision.wanted is not None
    assert decision.wanted.trigger is Trigger.SCHEDULED
    assert decision.retraining.next_scheduled_time == TOMORROW


@pytest.mark.parametrize(("now", "made"), [(NOW - 5 * 3600 - 1, False), (NOW - 5 * 3600, True)])
def test_a_schedule_is_due_at_its_time(now: float, *, made: bool) -> None:
    decision = keep(RIGHT, RetrainingState(next_scheduled_time=DUE), SAME_BYTES, now=now, **CRON)
    assert (decision.wanted is not None) is made


def test_a_new_schedule_starts_from_now() -> None:
    decision = keep(
        RIGHT, RetrainingState(next_scheduled_time=datetime(2020, 1, 1, tzinfo=UTC)), SAME_BYTES, settled=False, **CRON
    )
    assert decision.wanted is None
    assert decision.retraining.next_scheduled_time == TOMORROW


def test_a_schedule_without_new_rows_says_so_and_goes_on() -> None:
    decision = keep(RIGHT, RetrainingState(next_scheduled_time=DUE), DataSeen("sha256:old", 5_000, 0), **CRON)
    assert fact(decision, "Retrainable") == ("False", "NoNewData")
    assert decision.retraining.next_scheduled_time == TOMORROW


def test_an_impossible_schedule_is_an_obstacle() -> None:
    decision = keep(RIGHT, retraining={"schedule": "0 0 31 2 *"})
    assert fact(decision, "Retrainable") == ("False", "InvalidSchedule")


def test_the_end_of_the_cool_down_is_shown() -> None:
    decision = keep(RIGHT, RetrainingState(last_finished_time=datetime(2027, 1, 15, tzinfo=UTC)))
    assert decision.retraining.next_allowed_time == datetime(2027, 1, 16, tzinfo=UTC)


def test_health_counts_each_experiment_once() -> None:
    twice = [*WRONG, outcome(0, 0.07, simulation="again", name="again", population_share=0.1)]
    health: Health = health_of(TwinModel.model_validate({"spec": SPEC, "status": {"model": MODEL}}), twice, [CONTRAST])
    assert len(health.window) == 5

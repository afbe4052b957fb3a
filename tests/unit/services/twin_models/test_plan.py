"""What is next for a TwinModel, case by case."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from twin_operator.api.v1alpha1 import ObjectMeta, TwinModel, TwinModelSpec, TwinModelStatus
from twin_operator.api.v1alpha1.conditions import Condition, ConditionStatus, ConditionType, Reason
from twin_operator.api.v1alpha1.twin_model_status import DataState, RetrainingState, TwinFidelity
from twin_operator.domain.learning.training_plan import TrainingPlan
from twin_operator.domain.table.columns import Algorithm, FeatureType
from twin_operator.domain.twin import ArmEffect
from twin_operator.services.reconciling.active_version import registered_model
from twin_operator.services.reconciling.status import Fact
from twin_operator.services.runs.run import JSON, Outcome, Run
from twin_operator.services.runs.training_messages import TrainedVersion
from twin_operator.services.runs.twin_spec import spec_digest
from twin_operator.services.twin_models.plan import (
    ATTEMPTS,
    Failure,
    ModelPlan,
    ModelSnapshot,
    failure_after,
    plan,
    training_run,
)
from twin_operator.services.twin_models.upkeep import Upkeep

NOW = 1_000_000.0
COLUMNS = {
    "features": [{"name": "age", "type": "Numeric"}],
    "treatment": {"name": "arm", "control": "A"},
    "outcome": {"name": "y", "type": "Binary", "better": "Higher"},
}
SPEC: JSON = {
    "data": {"uri": "file:///data/a.csv"},
    "columns": COLUMNS,
    "learner": {"algorithm": "Linear", "folds": 5, "seed": 0},
}
TRAINED = TrainedVersion(
    version="1",
    run_id="r",
    spec_digest=spec_digest(TwinModelSpec.model_validate(SPEC)),
    data_digest="sha256:0",
    samples=10,
    arms=("A", "B"),
    experiments=("",),
    features={"age": FeatureType.NUMERIC},
    algorithm=Algorithm.LINEAR,
    plan=TrainingPlan(Algorithm.LINEAR, 5, 0, seeds=3),
    metrics={"loss": 0.1234567890, "broken": float("nan")},
    effects=(ArmEffect("B", 0.5, 0.1, 0.3, 0.7, 0.95, calibrated=True),),
    contrasts=(),
)
SECOND = TRAINED.model_copy(update={"version": "2"})
WEIGHTED = {**COLUMNS, "weight": "w"}


def model(status: TwinModelStatus | None = None, **spec: Any) -> TwinModel:
    metadata = ObjectMeta(namespace="n", name="m", uid="u", generation=2)
    content = TwinModelSpec.model_validate({**SPEC, **spec})
    return TwinModel(metadata=metadata, spec=content, status=status or TwinModelStatus())


def succeeded(**changes: Any) -> Run:
    """The record of a training whose version has these fields."""
    return Run(outcome=Outcome(Reason.SUCCEEDED, "", TRAINED.model_copy(update=changes).wire()))


def next_for(twin: TwinModel, run: Run | None = None, **known: Any) -> ModelPlan:
    snapshot = ModelSnapshot(twin, run or Run(), **{"published": False, **known})
    return plan(snapshot, "cluster", 30, NOW)


def condition(decision: ModelPlan, kind: str) -> Condition | None:
    return decision.status.condition(ConditionType(kind))


def reason(decision: ModelPlan, kind: str = "Ready") -> str | None:
    found = condition(decision, kind)
    return None if found is None else found.reason


def message(decision: ModelPlan, kind: str = "Ready") -> str | None:
    found = condition(decision, kind)
    return None if found is None else found.message


def active(decision: ModelPlan) -> str | None:
    return None if decision.status.model is None else decision.status.model.version


def trained() -> TwinModelStatus:
    return next_for(model(), succeeded()).status


def test_a_new_model_is_trained() -> None:
    decision = next_for(model())
    assert decision.task is not None
    assert decision.task.queue == "training"
    assert decision.task.payload["owner"] == "cluster/n/m/u"
    assert decision.status.phase == "Training"


def test_a_training_on_its_way_is_not_published_again() -> None:
    assert next_for(model(), published=True).task is None


def test_a_queue_without_workers_is_named() -> None:
    assert reason(next_for(model(), served=False), "Reconciling") == "NoWorkers"


def test_a_suspended_model_is_not_trained_and_not_stalled() -> None:
    decision = next_for(model(suspend=True))
    assert (decision.task, reason(decision), reason(decision, "Stalled")) == (None, "Suspended", None)


def test_what_training_learned_stands_in_status() -> None:
    status = trained()
    assert status.phase == "Ready"
    assert status.model is not None
    assert status.model.metrics == {"loss": 0.123457}
    assert status.model.experiments == ()
    assert [(effect.arm, effect.estimate, effect.standard_error) for effect in status.effects] == [("B", 0.5, 0.1)]


def test_a_model_that_serves_is_left_alone() -> None:
    decision = next_for(model(trained()))
    assert (decision.task, decision.status.phase, reason(decision, "Retrainable")) == (None, "Ready", None)


def test_nobody_takes_a_new_version_for_validated() -> None:
    faithful = trained().condition(ConditionType.FAITHFUL)
    assert faithful is not None
    assert (faithful.status, faithful.reason) == ("Unknown", "NotValidated")


def test_changed_data_of_a_serving_model_is_no_first_training() -> None:
    decision = next_for(model(trained(), data={"uri": "file:///data/b.csv"}))
    assert decision.task is None
    assert reason(decision) == "ModelServing"


def test_a_degraded_model_answers_and_says_so() -> None:
    upkeep = Upkeep(
        fidelity=TwinFidelity(score=0.2),
        retraining=RetrainingState(failed_attempts=1),
        data=DataState(rows=7),
        facts=[Fact(ConditionType.FAITHFUL, ConditionStatus.FALSE, Reason.FIDELITY_DEGRADED, "It is.")],
        degraded=True,
    )
    decision = next_for(model(trained()), upkeep=upkeep)
    assert (decision.status.phase, reason(decision)) == ("Degraded", "ModelServing")
    assert reason(decision, "Faithful") == "FidelityDegraded"
    assert decision.status.fidelity == TwinFidelity(score=0.2)
    assert decision.status.retraining == RetrainingState(failed_attempts=1)
    assert decision.status.data == DataState(rows=7)


def test_a_new_version_starts_a_new_window_and_remembers_the_one_before() -> None:
    before = trained().replace(
        fidelity=TwinFidelity(score=0.2), data=DataState(rows=7), retraining=RetrainingState(failed_attempts=1)
    )
    decision = next_for(model(before), chosen=SECOND)
    assert (decision.status.fidelity, decision.status.data) == (None, None)
    assert decision.status.retraining == RetrainingState(failed_attempts=1, previous_version="1")
    assert reason(decision, "Faithful") == "NotValidated"


def test_a_version_of_another_run_is_a_new_one_though_it_has_the_number_of_the_active_one() -> None:
    before = trained().replace(fidelity=TwinFidelity(score=0.2), retraining=RetrainingState(failed_attempts=1))
    again = TRAINED.model_copy(update={"run_id": "another"})
    decision = next_for(model(before), chosen=again)
    assert decision.status.fidelity is None
    assert decision.status.retraining == RetrainingState(failed_attempts=1)


def test_changed_columns_of_a_serving_model_train_anew_while_it_answers() -> None:
    decision = next_for(model(trained(), columns=WEIGHTED))
    assert decision.task is not None
    assert active(decision) == "1"
    assert reason(decision) == "ModelServing"


def test_a_data_error_stalls_and_is_tried_again_later() -> None:
    run = Run(outcome=Outcome(Reason.DATA_INVALID, "It is empty."), finished=NOW)
    first = next_for(model(), run, failures=1, failed=NOW)
    third = next_for(model(), run, failures=3, failed=NOW)
    assert reason(first, "Stalled") == "DataInvalid"
    assert (first.again, third.again) == (NOW + 30, NOW + 120)


def test_lost_workers_end_in_a_condition_not_in_silence() -> None:
    assert reason(next_for(model(), Run(attempts=ATTEMPTS, error="boom")), "Stalled") == "InternalError"


def test_a_running_attempt_is_named_with_its_worker() -> None:
    decision = next_for(model(), Run(attempts=2, leased=True, worker="worker-7"))
    assert (decision.task, reason(decision)) == (None, "Training")
    assert message(decision, "Reconciling") == "Attempt 2 on worker-7."


def test_a_failed_training_is_due_again_when_its_wait_is_over() -> None:
    run = Run(outcome=Outcome(Reason.DATA_INVALID, "It is empty."), finished=NOW - 30)
    waiting = next_for(model(), run, failures=1, failed=NOW - 29)
    assert (waiting.retry, waiting.again) == (False, NOW + 1)
    assert next_for(model(), run, failures=1, failed=NOW - 30).retry
    assert next_for(model(trained(), columns=WEIGHTED), run, failures=1, failed=NOW - 30).retry


def test_a_training_that_keeps_failing_is_tried_again_once_an_hour() -> None:
    run = Run(outcome=Outcome(Reason.DATA_INVALID, "It is empty."), finished=NOW)
    assert next_for(model(), run, failures=20, failed=NOW).again == NOW + 3600


def test_a_suspended_model_that_serves_goes_on_to_answer() -> None:
    decision = next_for(model(trained(), suspend=True))
    assert (decision.status.phase, reason(decision)) == ("Suspended", "ModelServing")


def test_what_a_training_found_wrong_with_its_data_is_a_condition_until_the_next_version() -> None:
    first = next_for(model(), succeeded(assignment_not_random="age tells who got B.", warnings=("One.", "Two.")))
    for decision in (first, next_for(model(first.status))):
        assert message(decision, "AssignmentNotRandom") == "age tells who got B."
        assert message(decision, "DataWarning") == "One. Two."
    replaced = next_for(model(first.status), chosen=SECOND)
    assert (message(replaced, "AssignmentNotRandom"), message(replaced, "DataWarning")) == (None, None)


def test_a_warning_with_a_reason_of_a_newer_release_does_not_stop_the_model() -> None:
    warned = next_for(model(), succeeded(warnings=("One.",))).status
    conditions = tuple(
        each.replace(reason="NewReason") if each.type == "DataWarning" else each for each in warned.conditions
    )
    decision = next_for(model(warned.replace(conditions=conditions)))
    assert (reason(decision), reason(decision, "DataWarning")) == ("ModelServing", None)


def test_a_deletion_policy_that_is_not_supported_is_said() -> None:
    decision = next_for(model(trained(), deletionPolicy="Delete"))
    assert reason(decision, "Retrainable") == "NotSupported"
    assert reason(next_for(model(trained(), deletionPolicy="Retain")), "Retrainable") is None


def test_more_experiments_effects_or_metrics_than_the_api_takes_are_cut() -> None:
    run = succeeded(
        experiments=tuple(f"e{number}" for number in range(1001)),
        metrics={f"m{number}": 0.5 for number in range(65)},
        arms=("control", *(f"a{number}" for number in range(33))),
        effects=tuple(replace(TRAINED.effects[0], arm=f"a{number}") for number in range(33)),
    )
    status = next_for(model(), run).status
    assert status.model is not None
    assert (len(status.model.experiments), len(status.model.metrics)) == (1000, 64)
    assert len(status.effects) == 32


def test_what_is_known_of_a_version_s_fidelity_stays_while_nothing_new_is_known() -> None:
    fact = Fact(ConditionType.FAITHFUL, ConditionStatus.TRUE, Reason.THRESHOLDS_MET, "It is.")
    upkeep = Upkeep(fidelity=None, retraining=RetrainingState(), data=None, facts=[fact])
    status = next_for(model(trained()), upkeep=upkeep).status
    assert reason(next_for(model(status)), "Faithful") == "ThresholdsMet"


def test_a_time_of_training_that_the_summary_lacks_is_now() -> None:
    for time in (None, datetime(2026, 1, 1, tzinfo=UTC)):
        status = next_for(model(), succeeded(trained_time=time)).status
        assert status.model is not None
        assert status.model.trained_time == (time or datetime.fromtimestamp(NOW, UTC))


def test_a_pin_without_a_version_before_it_fails_with_what_to_do() -> None:
    decision = next_for(model(version="9"), absent="9")
    assert (decision.status.phase, reason(decision, "Stalled")) == ("Failed", "ModelNotFound")
    assert message(decision) == "n.m has no version 9; pin another one or remove spec.version."


def test_a_pinned_version_serves_although_its_columns_were_others() -> None:
    decision = next_for(model(trained(), columns=WEIGHTED, version="1"))
    assert (decision.task, active(decision)) == (None, "1")


def test_a_model_with_a_pin_that_the_registry_does_not_have_is_not_ready_whatever_it_had_before() -> None:
    decision = next_for(model(trained(), version="9"), absent="9")
    assert active(decision) == "1"
    assert (decision.status.phase, reason(decision), reason(decision, "Stalled")) == ("Failed", *["ModelNotFound"] * 2)


def test_a_chosen_version_serves() -> None:
    assert active(next_for(model(trained(), version="2"), chosen=SECOND)) == "2"


def test_failures_are_counted_once_each_and_from_one_when_the_training_is_another() -> None:
    refused = Outcome(Reason.DATA_INVALID, "It is empty.")
    first = failure_after(None, "r", Run(outcome=refused, finished=1.0))
    again = failure_after(first, "r", Run(outcome=refused, finished=1.0))
    second = failure_after(again, "r", Run(attempts=ATTEMPTS, failed=2.0))
    other = failure_after(second, "s", Run(outcome=refused, finished=3.0))
    assert (first, again, second, other) == (
        Failure("r", 1, 1.0),
        Failure("r", 1, 1.0),
        Failure("r", 2, 2.0),
        Failure("s", 1, 3.0),
    )
    assert failure_after(second, "r", Run(attempts=1, leased=True, started=9.0)) == second


def test_a_training_without_any_luck_is_tried_again_after_a_wait_that_does_not_move() -> None:
    run = Run(attempts=ATTEMPTS, error="OSError: no space", failed=NOW - 10)
    decision = next_for(model(), run, failures=1, failed=NOW - 10)
    assert decision.again == NOW + 20


def test_the_same_spec_is_the_same_training() -> None:
    assert training_run(model()) == training_run(model())
    assert training_run(model()) != training_run(model(learner={**SPEC["learner"], "seed": 1}))


def test_other_data_of_a_model_that_answers_makes_no_other_training() -> None:
    assert training_run(model(trained(), data={"uri": "file:///data/b.csv"})) == training_run(model(trained()))


def test_a_training_after_a_deletion_is_another_one_by_the_run_of_the_deleted_version() -> None:
    trainings = [
        training_run(model(TwinModelStatus(retraining=RetrainingState(deleted_version=number, deleted_run_id=run))))
        for number, run in ((None, None), ("1", None), ("1", "first"), ("1", "second"))
    ]
    assert len(set(trainings)) == len(trainings)


def test_a_training_for_another_registered_model_is_another_one() -> None:
    names = (None, "n.renamed", "renamed")
    assert len({training_run(model(registeredModel=name)) for name in names}) == len(names)


def test_the_name_that_a_registered_model_has_anyway_makes_no_other_training() -> None:
    assert training_run(model(registeredModel="n.m")) == training_run(model())


def test_the_registry_name_is_the_namespace_and_the_name() -> None:
    assert registered_model(model()) == "n.m"
    assert registered_model(model(registeredModel="mine")) == "mine"

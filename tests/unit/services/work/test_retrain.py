"""A candidate, as a worker trains it: by a plan, one version a run, and without letting it serve."""

import numpy as np
import pytest

from tests.unit.services.trainings import LEARNER, NAME, PLAN, URI, Workshop, table
from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.services.reconciling.errors import Stalled, TryAgain


@pytest.fixture
def workshop() -> Workshop:
    return Workshop()


def test_a_candidate_is_registered_with_its_tags_and_does_not_serve(workshop: Workshop) -> None:
    outcome = workshop.retrain("run")
    assert (outcome.reason, outcome.message) == ("Succeeded", "Version 1 was learned from 200 rows.")
    assert outcome.value == workshop.registry.summary(NAME, "1")
    assert workshop.champion is None
    tags = workshop.registry.tags(NAME, "1")
    assert tags["twinops.fingerprint"] == f"{outcome.value['specDigest']}:{outcome.value['dataDigest']}"
    assert (tags["twinops.run"], tags["twinops.job"], tags["twinops.trigger"]) == ("run", "job-uid", "NewData")


def test_the_plan_of_the_task_is_followed_not_the_learner_of_the_spec(workshop: Workshop) -> None:
    outcome = workshop.retrain("run", plan={**PLAN, "seed": 7, "folds": 3}, learner=LEARNER)
    assert outcome.value["plan"] == {**PLAN, "seed": 7, "folds": 3}
    assert outcome.value["trainedTime"] == "2027-01-15T08:00:00Z"


def test_the_same_spec_and_data_as_the_champion_still_give_a_candidate(workshop: Workshop) -> None:
    workshop.train("first")
    assert workshop.retrain("run").value["version"] == "2"
    assert workshop.champion == "1"


def test_a_run_that_is_delivered_again_makes_no_second_version_and_reads_nothing(workshop: Workshop) -> None:
    first = workshop.retrain("run")
    workshop.source.tables.clear()
    again = workshop.retrain("run")
    assert (again.value, again.message) == (first.value, "Version 1 is of this run already.")
    assert workshop.source.reads == [URI]
    assert workshop.champion is None


def test_data_that_is_not_readable_now_may_be_at_the_next_attempt(workshop: Workshop) -> None:
    workshop.source.tables.clear()
    with pytest.raises(TryAgain, match="does not exist"):
        workshop.retrain("run")
    assert workshop.registry.version_of_run(NAME, "run") is None


@pytest.mark.parametrize("reason", [Reason.ADDRESS_NOT_ALLOWED, Reason.DATA_INVALID])
def test_data_that_no_attempt_can_use_is_an_outcome(workshop: Workshop, reason: Reason) -> None:
    workshop.source.refusals[URI] = Stalled(reason, "What to do about it.")
    outcome = workshop.retrain("run")
    assert (outcome.reason, outcome.message) == (reason, "What to do about it.")


def test_rows_that_cannot_be_learned_from_are_an_outcome(workshop: Workshop) -> None:
    workshop.source.tables[URI] = {**table(), "spend": np.ones(200)}
    assert workshop.retrain("run").reason == "DataInvalid"
    assert workshop.registry.version_of_run(NAME, "run") is None


def test_the_registered_model_of_another_twin_is_refused_before_anything_is_read(workshop: Workshop) -> None:
    workshop.registry.check_owner(NAME, "cluster/shop/others/uid")
    assert workshop.retrain("run").reason == "RegisteredModelTaken"
    assert workshop.source.reads == []

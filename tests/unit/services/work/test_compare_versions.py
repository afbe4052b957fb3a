"""The gate, as a worker carries it out: figures of both versions, and a verdict that is a success of its task."""

from dataclasses import asdict, replace
from typing import Any

import pytest

from tests.unit.domain.outcomes import outcome
from tests.unit.services.trainings import COLUMNS, NAME, OWNER, Workshop
from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.api.v1alpha1.retraining_job import Contender
from twin_operator.services.runs.run import Outcome
from twin_operator.services.work.compare_versions import _contender

OUTCOMES = [asdict(outcome(f"experiment {number}", 1.0 + number / 10)) for number in range(3)]


class Rivals(Workshop):
    """A champion, and candidates to compare it with."""

    def __init__(self) -> None:
        super().__init__()
        self.champion_outcome = self.train("first")

    def worse(self, excess: float = 5.0) -> Outcome:
        """Register a candidate whose outcome models predict too much for every unit, by SDs of the outcome."""
        bank = self.registry.bank(NAME, "1", None)
        spoiled = replace(bank, nuisance=bank.nuisance + excess * bank.outcome.std())
        summary = self.champion_outcome.value
        version = self.registry.register(NAME, OWNER, spoiled, summary, {"twinops.run": "second"}, promote=False)
        return Outcome(Reason.SUCCEEDED, "", {**summary, "version": version})

    def verdict(self, candidate: Outcome, **gate: Any) -> Outcome:
        """Compare a candidate with the champion."""
        return self.compare(candidate, self.champion_outcome, **gate)


@pytest.fixture
def rivals() -> Rivals:
    return Rivals()


def test_a_candidate_that_is_as_good_passes_with_the_figures_of_both(rivals: Rivals) -> None:
    verdict = rivals.verdict(rivals.retrain("second", plan=rivals.champion_outcome.value["plan"]))
    candidate, champion = verdict.value["candidate"], verdict.value["champion"]
    assert verdict.succeeded
    assert (candidate["version"], champion["version"]) == ("2", "1")
    assert candidate["loss"] == champion["loss"] > 0
    assert verdict.value["gate"] == {"passed": True, "message": verdict.message}
    assert verdict.message.startswith("Passed: ")


def test_a_candidate_that_is_worse_does_not_pass_and_the_task_succeeds(rivals: Rivals) -> None:
    verdict = rivals.verdict(rivals.worse())
    assert verdict.succeeded
    assert verdict.value["gate"]["passed"] is False
    assert verdict.message.startswith("Not better: ")
    assert verdict.value["candidate"]["loss"] > verdict.value["champion"]["loss"]


def test_a_regression_that_the_job_allows_passes(rivals: Rivals) -> None:
    candidate = rivals.worse(excess=0.7)
    assert rivals.verdict(candidate).value["gate"]["passed"] is False
    assert rivals.verdict(candidate, regression=1.0).value["gate"]["passed"] is True


def test_without_known_outcomes_nothing_is_said_of_them(rivals: Rivals) -> None:
    verdict = rivals.verdict(rivals.retrain("second"))
    assert "no known outcome" in verdict.message
    assert "backtestScore" not in verdict.value["candidate"]


def test_known_outcomes_are_predicted_again_by_both(rivals: Rivals) -> None:
    verdict = rivals.verdict(rivals.retrain("second"), ledger=OUTCOMES)
    assert "on 3 known outcomes" in verdict.message
    assert {side: "backtestScore" in verdict.value[side] for side in ("candidate", "champion")} == {
        "candidate": True,
        "champion": True,
    }


def test_versions_of_other_columns_cannot_be_compared(rivals: Rivals) -> None:
    verdict = rivals.verdict(rivals.retrain("second", columns={**COLUMNS, "features": COLUMNS["features"][:1]}))
    assert (verdict.reason, verdict.value) == ("DataInvalid", {})
    assert verdict.message


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_version_whose_number_was_given_again_is_not_compared(rivals: Rivals, version: str) -> None:
    candidate = rivals.retrain("second")
    own = {each: rivals.registry.summary(NAME, each)["runID"] for each in ("1", "2")}
    assert rivals.verdict(candidate, mlflow_runs=own).succeeded
    verdict = rivals.verdict(candidate, mlflow_runs={**own, version: "the run of a version that was deleted"})
    assert (verdict.reason, verdict.value) == ("ModelNotFound", {})
    assert f"Version {version} of {NAME} is of another MLflow run now." in verdict.message


def test_progress_says_when_the_banks_are_there_and_when_it_is_done(rivals: Rivals) -> None:
    rivals.verdict(rivals.retrain("second"))
    assert rivals.progress == [(0.1, "Banks read"), (1.0, "Done")]


def test_a_loss_that_no_status_can_have_is_left_out() -> None:
    assert _contender("3", 1.6e15, -2e15) == Contender(version="3")
    assert _contender("3", 1e15, None) == Contender(version="3", loss=1e15)

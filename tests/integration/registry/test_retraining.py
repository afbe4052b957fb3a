"""From a first training to a candidate and the gate, with a real file and a real registry."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient

from twin_operator.adapters.bank_store import read_bank, write_bank
from twin_operator.adapters.data_source import AllowedPrefix, FileDataSource
from twin_operator.adapters.mlflow_registry import MlflowRegistry
from twin_operator.services.reconciling.errors import TryAgain
from twin_operator.services.runs.run import JSON, Outcome
from twin_operator.services.runs.training_messages import ComparisonPayload, RetrainingPayload, TrainingPayload
from twin_operator.services.work.compare_versions import validate_candidate
from twin_operator.services.work.train import TrainingAttempt, retrain_twin, train_twin

LEARNER = {"algorithm": "Linear", "folds": 2, "seed": 0}
UNCERTAINTY = {"confidence": 0.95, "between_experiment_scale": 0.25, "accept_prior": False}


def write(path: Path, rows: int) -> None:
    """A randomised trial whose outcome follows age in a straight line."""
    rng = np.random.default_rng(0)
    age, arm = rng.normal(50, 10, rows), np.arange(rows) % 2
    outcome = age + 2 * arm + rng.normal(0, 2, rows)
    lines = [f"{'AB'[a]},{x:.4f},{y:.4f}" for a, x, y in zip(arm, age, outcome, strict=True)]
    path.write_text("\n".join(["arm,age,y", *lines, ""]))


class Shop:
    """A model's file, registry and tasks."""

    def __init__(self, url: str, directory: Path) -> None:
        self.path = directory / "past.csv"
        self.name = f"ns.{uuid.uuid4().hex[:8]}"
        self.source = FileDataSource([AllowedPrefix(f"file://{directory}/")], "ns")
        self.registry = MlflowRegistry(url, directory / "banks", write_bank, read_bank)
        write(self.path, 1_000)

    def payload(self, **more: Any) -> JSON:
        """The payload of a training."""
        spec = {
            "data": {"uri": f"file://{self.path}"},
            "columns": {
                "features": [{"name": "age", "type": "Numeric"}],
                "treatment": {"name": "arm", "control": "A"},
                "outcome": {"name": "y", "type": "Continuous", "better": "Higher"},
            },
            "learner": LEARNER,
            "uncertainty": {"confidence": 0.95, "betweenExperimentScale": 0.25, "acceptPrior": False},
        }
        return {"spec": spec, "registeredModel": self.name, "owner": "cluster/ns/twin/uid", **more}

    def train(self, run: str) -> Outcome:
        """Deliver a training task."""
        return train_twin(TrainingPayload.model_validate(self.payload(run=run)), self._attempt())

    def retrain(self, run: str, **plan: Any) -> Outcome:
        """Deliver a retraining task."""
        payload = self.payload(run=run, job="job-uid", trigger="NewData", plan={**LEARNER, **plan})
        return retrain_twin(RetrainingPayload.model_validate(payload), self._attempt())

    def _attempt(self) -> TrainingAttempt:
        return TrainingAttempt(self.source, self.registry, lambda *_: None, lambda: 0.0, lambda: None)

    def gate(self, candidate: Outcome, champion: Outcome) -> Outcome:
        """Deliver a gate task."""
        versions = {outcome.value["version"]: outcome.value["plan"] for outcome in (candidate, champion)}
        payload = {
            "run": "gate",
            "registeredModel": self.name,
            "candidate": candidate.value["version"],
            "champion": champion.value["version"],
            "uncertainty": UNCERTAINTY,
            "gate": {"maxRegression": 0.0},
            "ledger": [],
            "plans": versions,
        }
        return validate_candidate(ComparisonPayload.model_validate(payload), self.registry, lambda *_: None)

    def versions(self) -> int:
        """How many versions there are."""
        return len(MlflowClient().search_model_versions(f"name = '{self.name}'"))


@pytest.fixture
def shop(mlflow_server: Any, tmp_path: Path) -> Shop:
    return Shop(mlflow_server.url, tmp_path)


def test_a_training_that_is_delivered_again_makes_no_second_version(shop: Shop) -> None:
    first = shop.train("run")
    write(shop.path, 1_200)
    again = shop.train("run")
    assert again.value == first.value
    assert first.value["plan"] == {**LEARNER, "seeds": 3}
    assert shop.versions() == 1
    assert shop.registry.champion_version(shop.name) == first.value["version"]


def test_a_training_cut_short_before_its_version_served_is_finished(shop: Shop) -> None:
    first = shop.train("run")
    MlflowClient().delete_registered_model_alias(shop.name, "champion")
    assert shop.train("run").value == first.value
    assert shop.registry.champion_version(shop.name) == first.value["version"]


def test_a_candidate_is_registered_once_with_its_tags_and_does_not_serve(shop: Shop) -> None:
    champion = shop.train("first")
    candidate = shop.retrain("second", candidates=["RandomForest", "Linear"], seedFactor=2)
    assert candidate.value["algorithm"] == "Linear"
    assert candidate.value["plan"] == {**LEARNER, "seeds": 6, "reason": "Linear had the lowest loss."}
    assert shop.retrain("second").value == candidate.value
    assert shop.versions() == 2
    assert shop.registry.champion_version(shop.name) == champion.value["version"]
    tags = shop.registry.tags(shop.name, candidate.value["version"])
    assert (tags["twinops.job"], tags["twinops.trigger"], tags["twinops.run"]) == ("job-uid", "NewData", "second")
    assert tags["twinops.fingerprint"]


def test_the_same_training_again_is_as_good(shop: Shop) -> None:
    verdict = shop.gate(candidate := shop.retrain("second"), champion := shop.train("first"))
    value = verdict.value
    assert verdict.succeeded
    assert value["gate"] == {"passed": True, "message": verdict.message}
    assert value["candidate"] == {"version": candidate.value["version"], "loss": value["champion"]["loss"]}
    assert value["champion"]["version"] == champion.value["version"]


def test_a_worse_candidate_is_told_apart(shop: Shop) -> None:
    verdict = shop.gate(shop.retrain("second", algorithm="RandomForest"), shop.train("first"))
    assert verdict.succeeded
    assert not verdict.value["gate"]["passed"]
    assert verdict.value["candidate"]["loss"] > verdict.value["champion"]["loss"]


def test_data_that_cannot_be_read_is_named(shop: Shop) -> None:
    shop.path.unlink()
    with pytest.raises(TryAgain, match="does not exist"):  # the next attempt may find it
        shop.retrain("second")
    assert shop.versions() == 0

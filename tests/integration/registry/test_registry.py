"""Versions in a real MLflow registry: a flavour of our own, tags, alias, owner, and the bank as it was."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient

from twin_operator.adapters.bank_store import read_bank, write_bank
from twin_operator.adapters.mlflow_registry import CHAMPION, MlflowRegistry
from twin_operator.domain.bank import Bank
from twin_operator.domain.experiment_data import prepare
from twin_operator.domain.schema import (
    Algorithm,
    Assignment,
    Better,
    Columns,
    Feature,
    FeatureType,
    Learner,
    OutcomeType,
    Uncertainty,
)
from twin_operator.domain.training import train
from twin_operator.services.errors import Stalled

OWNER = "cluster/ns/twin/uid-1"
SUMMARY: dict[str, Any] = {"metrics": {"loss": 0.5}, "samples": 400}


@pytest.fixture(scope="module")
def bank() -> Bank:
    rng = np.random.default_rng(0)
    features = (Feature("age", FeatureType.NUMERIC), Feature("region", FeatureType.CATEGORICAL))
    columns = Columns(
        features=features,
        treatment="arm",
        control="A",
        outcome="y",
        outcome_type=OutcomeType.CONTINUOUS,
        better=Better.LOWER,
        positive=None,
        experiment=None,
        cluster=None,
        weight=None,
        propensity=None,
        assignment=Assignment.RANDOMIZED,
        time=None,
    )
    raw = {
        "age": np.where(rng.random(400) < 0.1, np.nan, rng.normal(50, 9, 400)),
        "region": rng.choice(np.array(["N", "S"], dtype=object), 400),
        "arm": rng.choice(np.array(["A", "B"], dtype=object), 400),
        "y": rng.normal(size=400),
    }
    return train(prepare(raw, columns), Learner(Algorithm.LINEAR, 5, 0), Uncertainty()).bank


@pytest.fixture
def registry(mlflow_server: Any, tmp_path: Path) -> MlflowRegistry:
    return MlflowRegistry(mlflow_server.url, tmp_path, write_bank, read_bank)


@pytest.fixture
def name() -> str:
    return f"ns.{uuid.uuid4().hex[:8]}"


def test_a_bank_comes_back_as_it_was(registry: MlflowRegistry, name: str, bank: Bank) -> None:
    version = registry.register(
        name, OWNER, bank, SUMMARY, {"twinops.fingerprint": "f", "twinops.run": "r"}, promote=True
    )
    back = registry.bank(name, version)
    assert (back.columns, back.arms, back.experiments, back.levels) == (
        bank.columns,
        bank.arms,
        bank.experiments,
        bank.levels,
    )
    for field in (
        "outcome",
        "propensity",
        "nuisance",
        "score",
        "possible",
        "arm",
        "weight",
        "held_out",
        "unit_hash",
        "content",
    ):
        np.testing.assert_array_equal(getattr(back, field), getattr(bank, field))
    for feature, values in bank.features.items():
        np.testing.assert_array_equal(back.features[feature], values)


def test_a_version_is_the_champion_with_its_tags_and_no_pickle(
    registry: MlflowRegistry, name: str, bank: Bank, tmp_path: Path
) -> None:
    version = registry.register(
        name, OWNER, bank, SUMMARY, {"twinops.fingerprint": "f", "twinops.run": "r"}, promote=True
    )
    champion = MlflowClient().get_model_version_by_alias(name, CHAMPION)
    assert str(champion.version) == version
    assert champion.tags["twinops.fingerprint"] == "f"
    registry.bank(name, version)
    files = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert {"MLmodel", "bank.arrow", "summary.json"} <= files
    assert not [file for file in files if file.endswith((".pkl", ".pickle", ".joblib"))]
    assert "twin_bank" in next(tmp_path.rglob("MLmodel")).read_text()


def test_only_the_same_spec_and_data_are_adopted(registry: MlflowRegistry, name: str, bank: Bank) -> None:
    assert registry.adoptable(name, "f") is None
    version = registry.register(
        name, OWNER, bank, SUMMARY, {"twinops.fingerprint": "f", "twinops.run": "r"}, promote=True
    )
    adopted = registry.adoptable(name, "f")
    assert adopted is not None
    assert (adopted["version"], adopted["samples"]) == (version, 400)
    assert registry.adoptable(name, "another") is None


def test_a_name_belongs_to_one_twin_and_an_older_uid_is_adopted(registry: MlflowRegistry, name: str) -> None:
    registry.check_owner(name, OWNER)
    registry.check_owner(name, "cluster/ns/twin/uid-2")
    for stranger in ("cluster/ns/other/uid-3", "elsewhere/ns/twin/uid-1"):
        with pytest.raises(Stalled, match="belongs to cluster/ns/twin"):
            registry.check_owner(name, stranger)


def test_what_is_not_there_is_told_from_what_does_not_answer(registry: MlflowRegistry, name: str) -> None:
    with pytest.raises(LookupError):
        registry.summary(name, "7")
    assert registry.champion_version(name) is None


def test_a_bank_of_another_format_is_refused(bank: Bank, tmp_path: Path) -> None:
    path = write_bank(bank, tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"format": "2",', b'"format": "0",'))
    with pytest.raises(ValueError, match="format 0"):
        read_bank(tmp_path)

"""Versions in a real MLflow registry: a flavour of our own, tags, alias, owner, and the bank as it was."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
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


def registered(registry: MlflowRegistry, name: str, bank: Bank, run: str, *, promote: bool = True) -> str:
    return registry.register(name, OWNER, bank, SUMMARY, {"twinops.run": run}, promote=promote)


def test_a_candidate_does_not_serve_until_it_is_promoted(registry: MlflowRegistry, name: str, bank: Bank) -> None:
    first = registered(registry, name, bank, "a")
    candidate = registered(registry, name, bank, "b", promote=False)
    assert registry.champion_version(name) == first
    for _again in range(2):
        registry.promote(name, candidate, {"twinops.approvedBy": "jane"})
        assert registry.champion_version(name) == candidate
    assert registry.tags(name, first)["twinops.replacedBy"] == candidate
    assert registry.tags(name, candidate)["twinops.approvedBy"] == "jane"
    assert "twinops.replacedBy" not in registry.tags(name, candidate)


def test_a_run_makes_one_version_however_often_it_is_delivered(registry: MlflowRegistry, name: str, bank: Bank) -> None:
    assert registry.version_of_run(name, "a") is None
    first = registered(registry, name, bank, "a")
    assert registered(registry, name, bank, "a") == first
    assert registry.version_of_run(name, "a") == first
    assert len(MlflowClient().search_model_versions(f"name = '{name}'")) == 1
    assert registered(registry, name, bank, "b", promote=False) != first


def test_two_deliveries_at_once_agree_on_one_version(mlflow_server: Any, tmp_path: Path, name: str, bank: Bank) -> None:
    workers = [MlflowRegistry(mlflow_server.url, tmp_path / str(n), write_bank, read_bank) for n in range(3)]
    workers[0].check_owner(name, OWNER)
    # All have created theirs before the first looks again: the moment that matters, which chance would seldom hit.
    numbers = [worker._create(name, bank, SUMMARY, {"twinops.run": "a"}) for worker in workers]  # noqa: SLF001
    with ThreadPoolExecutor() as pool:
        settled = list(pool.map(lambda worker, own: worker._settle(name, "a", own), workers, numbers))  # noqa: SLF001
    assert set(settled) == {numbers[0]}
    assert [str(v.version) for v in MlflowClient().search_model_versions(f"name = '{name}'")] == [numbers[0]]


def test_a_late_delivery_takes_nothing_back(registry: MlflowRegistry, name: str, bank: Bank) -> None:
    first, second = (registered(registry, name, bank, run) for run in ("a", "b"))
    registry.serve(name, first)
    assert registry.champion_version(name) == second


def test_a_version_is_rolled_back_with_the_reason_and_only_while_it_serves(
    registry: MlflowRegistry, name: str, bank: Bank
) -> None:
    first, second, third = (registered(registry, name, bank, run) for run in "abc")
    assert not registry.roll_back(name, second, first, "worse on phones", "jane")
    assert registry.champion_version(name) == third
    for _again in range(2):
        assert registry.roll_back(name, third, second, "worse on phones", "jane")
    assert registry.champion_version(name) == second
    left = registry.tags(name, third)
    assert (left["twinops.rolledBack"], left["twinops.rolledBackBy"]) == ("worse on phones", "jane")
    assert left["twinops.rolledBackTime"].endswith("Z")
    assert left["twinops.replacedBy"] == second
    assert "twinops.replacedBy" not in registry.tags(name, second)


def test_only_what_is_there_can_serve(registry: MlflowRegistry, name: str, bank: Bank) -> None:
    first = registered(registry, name, bank, "a")
    with pytest.raises(LookupError):
        registry.promote(name, "7", {})
    with pytest.raises(LookupError):
        registry.roll_back(name, first, "7", "", "jane")
    assert registry.champion_version(name) == first
    assert registry.tags(name, first).keys().isdisjoint({"twinops.replacedBy", "twinops.rolledBack"})


def test_workers_that_claim_a_new_name_at_once_all_have_it(registry: MlflowRegistry, name: str) -> None:
    def claim(place: int) -> None:
        registry.check_owner(f"{name}.{place // 4}", OWNER)

    with ThreadPoolExecutor(4) as workers:  # four for each of eight names
        list(workers.map(claim, range(32)))
    owners = [registry._client.get_registered_model(f"{name}.{each}").tags for each in range(8)]  # noqa: SLF001
    assert owners == [{"twinops.owner": OWNER}] * 8

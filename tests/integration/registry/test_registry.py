"""Versions in a real MLflow registry, beyond the contract: a flavour of our own, the alias, and the bank as it was."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient

from tests.contracts.small_bank import small_bank
from twin_operator.adapters.bank_store import read_bank, write_bank
from twin_operator.adapters.mlflow_registry import MlflowRegistry
from twin_operator.domain.twin import Bank
from twin_operator.services.reconciling.version_tags import CHAMPION

OWNER = "cluster/ns/twin/uid-1"
SUMMARY: dict[str, Any] = {"metrics": {"loss": 0.5}, "samples": 400}


@pytest.fixture(scope="module")
def bank() -> Bank:
    return small_bank()


@pytest.fixture
def registry(mlflow_server: Any, tmp_path: Path) -> MlflowRegistry:
    return MlflowRegistry(mlflow_server.url, tmp_path, write_bank, read_bank)


@pytest.fixture
def name() -> str:
    return f"ns.{uuid.uuid4().hex[:8]}"


def test_a_bank_comes_back_as_it_was(registry: MlflowRegistry, name: str, bank: Bank) -> None:
    tags = {"twinops.fingerprint": "f", "twinops.run": "r"}
    version = registry.register(name, OWNER, bank, SUMMARY, tags, promote=True, confirm=lambda: None)
    back = registry.bank(name, version, None)
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
    tags = {"twinops.fingerprint": "f", "twinops.run": "r"}
    version = registry.register(name, OWNER, bank, SUMMARY, tags, promote=True, confirm=lambda: None)
    champion = MlflowClient().get_model_version_by_alias(name, CHAMPION)
    assert str(champion.version) == version
    assert champion.tags["twinops.fingerprint"] == "f"
    registry.bank(name, version, None)
    files = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert {"MLmodel", "bank.arrow", "summary.json"} <= files
    assert not [file for file in files if file.endswith((".pkl", ".pickle", ".joblib"))]
    assert "twin_bank" in next(tmp_path.rglob("MLmodel")).read_text()


def test_a_bank_of_another_format_is_refused(bank: Bank, tmp_path: Path) -> None:
    path = write_bank(bank, tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"format": "2",', b'"format": "0",'))
    with pytest.raises(ValueError, match="format 0"):
        read_bank(tmp_path)


def test_two_deliveries_at_once_agree_on_one_version(mlflow_server: Any, tmp_path: Path, name: str, bank: Bank) -> None:
    workers = [MlflowRegistry(mlflow_server.url, tmp_path / str(n), write_bank, read_bank) for n in range(3)]
    workers[0].check_owner(name, OWNER)
    # All have created theirs before the first reads again: the moment that matters, which chance would seldom hit.
    numbers = [worker._create(name, bank, SUMMARY, {"twinops.run": "a"}, lambda: None) for worker in workers]  # noqa: SLF001
    with ThreadPoolExecutor() as pool:
        settled = list(pool.map(lambda worker, own: worker._settle(name, "a", own), workers, numbers))  # noqa: SLF001
    assert set(settled) == {numbers[0]}
    assert [str(v.version) for v in MlflowClient().search_model_versions(f"name = '{name}'")] == [numbers[0]]


def test_workers_that_claim_a_new_name_at_once_all_have_it(registry: MlflowRegistry, name: str) -> None:
    def claim(place: int) -> None:
        registry.check_owner(f"{name}.{place // 4}", OWNER)

    with ThreadPoolExecutor(4) as workers:  # four for each of eight names
        list(workers.map(claim, range(32)))
    owners = [registry._client.get_registered_model(f"{name}.{each}").tags for each in range(8)]  # noqa: SLF001
    assert owners == [{"twinops.owner": OWNER}] * 8

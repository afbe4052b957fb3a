"""The adapter of MLflow keeps the contract of the registry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from devcluster.layout import LOOPBACK, free_ports
from tests.contracts.registry import *  # noqa: F403 - the tests
from tests.contracts.registry import OWNER, SUMMARY
from tests.contracts.small_bank import small_bank
from twin_operator.adapters.bank_store import read_bank, write_bank
from twin_operator.adapters.mlflow_registry import BANK_DIGEST, MlflowRegistry
from twin_operator.adapters.registry_threads import ThreadedVersions
from twin_operator.domain.twin import Bank
from twin_operator.services.reconciling.errors import TryAgain


@pytest.fixture(scope="module")
def bank() -> Bank:
    return small_bank()


@pytest.fixture
def registry(mlflow_server: Any, tmp_path: Path) -> MlflowRegistry:
    return MlflowRegistry(mlflow_server.url, tmp_path, write_bank, read_bank)


@pytest.fixture
def versions(registry: MlflowRegistry) -> ThreadedVersions:
    async def at_once() -> None:
        """Be sure of the Lease."""

    return ThreadedVersions(registry, at_once)


@pytest.fixture
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowRegistry:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")  # the default is minutes of retries
    return MlflowRegistry(f"http://{LOOPBACK}:{free_ports(1)[0]}", tmp_path, write_bank, read_bank)


@pytest.fixture
def fresh(mlflow_server: Any, tmp_path: Path) -> Callable[[], MlflowRegistry]:
    return lambda: MlflowRegistry(mlflow_server.url, tmp_path / "another worker", write_bank, read_bank)


@pytest.fixture
def delete(registry: MlflowRegistry) -> Callable[[str], None]:
    return MlflowClient(registry.tracking_uri).delete_registered_model


def test_a_bank_that_is_not_the_registered_one_is_refused(
    registry: MlflowRegistry, bank: Bank, fresh: Callable[[], MlflowRegistry]
) -> None:
    tags = {"twinops.run": "a", "twinops.fingerprint": "spec-a"}
    version = registry.register("ns.digest", OWNER, bank, SUMMARY, tags, promote=True)
    MlflowClient(registry.tracking_uri).set_model_version_tag("ns.digest", version, BANK_DIGEST, "0" * 64)
    worker = fresh()
    with pytest.raises(TryAgain, match="its digest differs"):
        worker.bank("ns.digest", version, None)
    assert not list((worker.directory / "banks").iterdir()), "nothing of it is kept"

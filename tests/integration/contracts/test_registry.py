"""The adapter of MLflow keeps the contract of the registry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from devcluster.layout import LOOPBACK, free_ports
from tests.contracts.registry import *  # noqa: F403 - the tests
from tests.contracts.small_bank import small_bank
from twin_operator.adapters.bank_store import read_bank, write_bank
from twin_operator.adapters.mlflow_registry import MlflowRegistry
from twin_operator.domain.twin import Bank
from twin_operator.services.versions import ThreadedVersions


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

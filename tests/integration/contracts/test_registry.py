"""The adapters of MLflow, of workers and of the operator, keep the contract of the registry on a real server."""

from __future__ import annotations

import asyncio
import traceback
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from devcluster.layout import LOOPBACK, free_ports
from tests.contracts.registry import *  # noqa: F403 - the tests
from tests.contracts.registry import OWNER, SUMMARY
from tests.contracts.small_bank import small_bank
from tests.unit.adapters.mlflow_server import NAME, ScriptedMlflow
from tests.unit.adapters.test_mlflow_rest import CREDENTIALS, connected
from twin_operator.adapters.bank_store import read_bank, write_bank
from twin_operator.adapters.mlflow_registry import MlflowRegistry
from twin_operator.adapters.mlflow_rest.api import MlflowApi, MlflowServer
from twin_operator.adapters.mlflow_rest.versions import RestVersions
from twin_operator.domain.twin import Bank
from twin_operator.services.reconciling.errors import TryAgain
from twin_operator.services.reconciling.version_tags import BANK_DIGEST, summary_in, summary_tags
from twin_operator.settings import Settings
from twin_operator.wiring.connections import mlflow_server as server_of


@pytest.fixture(scope="module")
def bank() -> Bank:
    return small_bank()


@pytest.fixture
def registry(mlflow_server: Any, tmp_path: Path) -> MlflowRegistry:
    return MlflowRegistry(mlflow_server.url, tmp_path, write_bank, read_bank)


async def at_once() -> None:
    """Be sure of the Lease."""


@pytest.fixture
async def versions(registry: MlflowRegistry) -> AsyncIterator[RestVersions]:
    api = MlflowApi(MlflowServer(registry.tracking_uri), at_once)
    yield RestVersions(api)
    await api.close()


@pytest.fixture
async def versions_away() -> AsyncIterator[RestVersions]:
    api = MlflowApi(MlflowServer(f"http://{LOOPBACK}:{free_ports(1)[0]}"), at_once)
    yield RestVersions(api)
    await api.close()


@pytest.fixture
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowRegistry:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")  # the default is minutes of retries
    return MlflowRegistry(f"http://{LOOPBACK}:{free_ports(1)[0]}", tmp_path, write_bank, read_bank)


@pytest.fixture
def fresh(mlflow_server: Any, tmp_path: Path) -> Callable[[], MlflowRegistry]:
    return lambda: MlflowRegistry(mlflow_server.url, tmp_path / "another worker", write_bank, read_bank)


@pytest.fixture
def delete_version(registry: MlflowRegistry) -> Callable[[str, str], None]:
    return MlflowClient(registry.tracking_uri).delete_model_version


@pytest.fixture
def set_tag(registry: MlflowRegistry) -> Callable[[str, str, str], None]:
    return MlflowClient(registry.tracking_uri).set_registered_model_tag


@pytest.fixture
def foreign(registry: MlflowRegistry) -> Callable[[str, dict[str, str]], None]:
    client = MlflowClient(registry.tracking_uri)

    def create(name: str, tags: dict[str, str]) -> None:
        client.create_registered_model(name, tags=tags)
        client.create_model_version(name, "s3://models/fraud")
        client.set_registered_model_alias(name, "champion", "1")

    return create


@pytest.fixture
def during_claim(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """After the operator's write, and after the worker's."""

    def use(act: Callable[[], None]) -> None:
        tag_of_operator = RestVersions._tag_model  # noqa: SLF001 - the moment between its write and its read
        tag_of_worker = MlflowClient.set_registered_model_tag

        async def tagging(self: RestVersions, name: str, key: str, value: str) -> None:
            await tag_of_operator(self, name, key, value)
            await asyncio.to_thread(act)

        def tagged(self: MlflowClient, name: str, key: str, value: str) -> None:
            tag_of_worker(self, name, key, value)
            if value == OWNER:
                act()

        monkeypatch.setattr(MlflowClient, "set_registered_model_tag", tagged)
        monkeypatch.setattr(RestVersions, "_tag_model", tagging)

    return use


@pytest.fixture
def delete(registry: MlflowRegistry) -> Callable[[str], None]:
    return MlflowClient(registry.tracking_uri).delete_registered_model


def test_a_bank_that_is_not_the_registered_one_is_refused(
    registry: MlflowRegistry, bank: Bank, fresh: Callable[[], MlflowRegistry]
) -> None:
    tags = {"twinops.run": "a", "twinops.fingerprint": "spec-a"}
    version = registry.register("ns.digest", OWNER, bank, SUMMARY, tags, promote=True, confirm=lambda: None)
    MlflowClient(registry.tracking_uri).set_model_version_tag("ns.digest", version, BANK_DIGEST, "0" * 64)
    worker = fresh()
    with pytest.raises(TryAgain, match="its digest differs"):
        worker.bank("ns.digest", version, None)
    assert not list((worker.directory / "banks").iterdir()), "nothing of it is kept"


@pytest.fixture
def of_first_release(registry: MlflowRegistry, bank: Bank) -> str:
    """A version as release 0.1.0 registered it: with its summary in a file only."""
    tags = {"twinops.run": "a", "twinops.fingerprint": "spec-a"}
    registered = f"ns.{uuid.uuid4().hex[:8]}"
    version = registry.register(registered, OWNER, bank, SUMMARY, tags, promote=True, confirm=lambda: None)
    client = MlflowClient(registry.tracking_uri)
    for key in summary_tags(SUMMARY):
        client.delete_model_version_tag(registered, version, key)
    return registered


async def test_the_operator_reads_a_version_of_the_first_release_through_the_server(
    of_first_release: str, registry: MlflowRegistry, versions: RestVersions
) -> None:
    found = await versions.summary(of_first_release, "1")
    assert (found.arms, found.samples, found.version) == (("A", "B"), 400, "1")
    assert found.run_id == MlflowClient(registry.tracking_uri).get_model_version(of_first_release, "1").run_id


async def test_a_worker_that_reads_a_version_of_the_first_release_writes_its_tags(
    of_first_release: str, registry: MlflowRegistry, versions: RestVersions
) -> None:
    assert summary_in(registry.tags(of_first_release, "1")) is None
    before = await versions.summary(of_first_release, "1")
    assert registry.summary(of_first_release, "1")["samples"] == 400
    assert summary_in(registry.tags(of_first_release, "1")) is not None
    assert await versions.summary(of_first_release, "1") == before


async def test_a_summary_that_the_server_cannot_read_is_waited_for(
    of_first_release: str, registry: MlflowRegistry, versions: RestVersions, mlflow_server: Any
) -> None:
    """As with a store that only workers have access to."""
    source = MlflowClient(registry.tracking_uri).get_model_version(of_first_release, "1").source or ""
    stored = mlflow_server.log.parent.glob(f"artifacts/**/{source.rpartition('/')[2]}/**/summary.json")
    next(stored).unlink()
    with pytest.raises(ConnectionError, match=f"MLflow cannot read summary.json of version 1 of {of_first_release}"):
        await versions.summary(of_first_release, "1")


def test_an_error_of_a_worker_has_neither_address_nor_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    address = f"http://jane:hunter2@{LOOPBACK}:{free_ports(1)[0]}"
    worker = MlflowRegistry(address, tmp_path, write_bank, read_bank)
    calls: list[Callable[[], object]] = [
        lambda: worker.check_owner("n", OWNER),
        lambda: worker.bank("n", "1", None),
        lambda: worker.bank("n", "1", "run"),
        lambda: worker.promote("n", "1", {}),
        lambda: worker.summary("n", "1"),
    ]
    for call in calls:
        with pytest.raises(ConnectionError, match=r"^MLflow cannot .*: no connection to it can be made\.$") as error:
            call()
        assert "hunter2" not in "".join(traceback.format_exception(error.value))


@pytest.mark.parametrize("case", CREDENTIALS)
async def test_operator_and_workers_show_the_same_credentials(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    environment, _expected = CREDENTIALS[case]
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    async with ScriptedMlflow().running() as mlflow:
        await asyncio.to_thread(MlflowClient(mlflow.url, mlflow.url).get_registered_model, NAME)
        monkeypatch.setenv("TWINOPS_MLFLOW_TRACKING_URI", mlflow.url)
        async with connected(server_of(Settings())) as versions:
            await versions.registered_model(NAME)
    of_worker, of_operator = (headers.get("Authorization") for headers in mlflow.headers)
    assert of_operator == of_worker

"""The operator's requests to MLflow: credentials, limits, repetitions, order of writes, and no text but our own."""

from __future__ import annotations

import asyncio
import random
import ssl
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from devcluster.certificates import Authority, Identity
from devcluster.layout import LOOPBACK, free_ports
from tests.unit.adapters.mlflow_server import NAME, SERVER_TEXT, ScriptedMlflow
from twin_operator.adapters.mlflow_rest.api import ATTEMPTS, CONNECTIONS, MlflowApi, MlflowServer
from twin_operator.adapters.mlflow_rest.versions import RestVersions
from twin_operator.services.reconciling.errors import Unsafe
from twin_operator.services.reconciling.ports import RollBack
from twin_operator.settings import Settings
from twin_operator.wiring.connections import mlflow_server

ROLL_BACK: Final = RollBack("1", "2", "worse", "jane")


@pytest.fixture
async def mlflow() -> AsyncIterator[ScriptedMlflow]:
    async with ScriptedMlflow().running() as server:
        yield server


async def at_once() -> None:
    """Be sure of the Lease."""


class NoWait(random.Random):
    """No jitter: a test does not wait between attempts."""

    def uniform(self, a: float, b: float) -> float:  # noqa: ARG002
        return 0.0


@asynccontextmanager
async def connected(server: MlflowServer) -> AsyncIterator[RestVersions]:
    api = MlflowApi(server, at_once)
    api._random = NoWait()  # noqa: SLF001
    try:
        yield RestVersions(api, lambda: 0.0)
    finally:
        await api.close()


async def failure(server: MlflowServer) -> str:
    """Return the sentence of a request that fails, and what a log line with its traceback would show."""
    async with connected(server) as versions:
        with pytest.raises(ConnectionError) as error:
            await versions.champion(NAME)
    shown = "".join(traceback.format_exception(error.value))
    assert SERVER_TEXT not in shown
    assert "hunter2" not in shown
    assert "During handling of the above exception" not in shown
    assert str(error.value).startswith(f"MLflow cannot read the registered model {NAME}: ")
    return str(error.value)


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (400, "HTTP 400"),
        (401, "does not accept the credentials"),
        (403, "do not have the permission"),
        (429, "too many requests"),
        (500, "an error of its own"),
        (503, "an error of its own"),
        (302, "not the REST API of MLflow"),
        (405, "not the REST API of MLflow"),
        ("<html>Sign in</html>", "not the REST API of MLflow"),
        ('{"status": "ok"}', "not the REST API of MLflow"),
        ("[]", "not the REST API of MLflow"),
        ('{"registered_model": null}', "not the REST API of MLflow"),
    ],
)
async def test_a_failure_is_a_sentence_of_our_own(mlflow: ScriptedMlflow, fault: int | str, why: str) -> None:
    mlflow.faults, mlflow.repeated = [fault], True
    if fault == 400:  # of a read: there is nothing of this name
        async with connected(MlflowServer(mlflow.url)) as versions:
            with pytest.raises(ConnectionError, match=why):
                await versions.api.write("POST", "registered-models/alias", f"move the champion of {NAME}")
        return
    assert why in await failure(MlflowServer(mlflow.url))


async def test_a_server_that_is_away_is_named_without_its_address() -> None:
    address = f"http://{LOOPBACK}:{free_ports(1)[0]}"
    sentence = await failure(MlflowServer(address, username="jane", password="hunter2"))  # noqa: S106 - no log shows it
    assert "no connection" in sentence
    assert LOOPBACK not in sentence


async def test_a_server_that_does_not_answer_is_not_waited_for(mlflow: ScriptedMlflow) -> None:
    mlflow.hangs = True
    async with asyncio.timeout(120):  # it hangs for an hour
        assert "in time" in await failure(MlflowServer(mlflow.url, timeout=0.2))


async def test_what_is_not_there_is_none_or_a_lookup_error(mlflow: ScriptedMlflow) -> None:
    mlflow.faults, mlflow.repeated = [404], True
    async with connected(MlflowServer(mlflow.url)) as versions:
        assert await versions.registered_model(NAME) is None
        with pytest.raises(LookupError, match=f"^MLflow cannot read version 7 of {NAME}: there is none$") as error:
            await versions.summary(NAME, "7")
    assert SERVER_TEXT not in "".join(traceback.format_exception(error.value))


@pytest.mark.parametrize(("fault", "requests"), [(503, ATTEMPTS), (429, ATTEMPTS), (500, 1), (401, 1)])
async def test_only_what_may_pass_is_requested_again(mlflow: ScriptedMlflow, fault: int, requests: int) -> None:
    mlflow.faults, mlflow.repeated = [fault], True
    await failure(MlflowServer(mlflow.url))
    assert len(mlflow.seen) == requests


async def test_a_request_succeeds_when_a_restart_of_the_server_is_over(mlflow: ScriptedMlflow) -> None:
    mlflow.faults = [503, 502]
    async with connected(MlflowServer(mlflow.url)) as versions:
        assert await versions.champion(NAME) == "1"


async def test_connections_are_bounded(mlflow: ScriptedMlflow) -> None:
    async with connected(MlflowServer(mlflow.url)) as versions:
        await asyncio.gather(*(versions.champion(NAME) for _ in range(5 * CONNECTIONS)))
    assert 1 < mlflow.most <= CONNECTIONS


BASIC: Final = "Basic amFuZTpwQHNz"  # jane:p@ss
JANE: Final = {"MLFLOW_TRACKING_USERNAME": "jane", "MLFLOW_TRACKING_PASSWORD": "p@ss"}
TOKEN: Final = {"MLFLOW_TRACKING_TOKEN": "t"}
CREDENTIALS: Final[dict[str, tuple[dict[str, str], str | None]]] = {
    "none": ({}, None),
    "a user and password": (JANE, BASIC),
    "a token": (TOKEN, "Bearer t"),
    "a user without a password": ({"MLFLOW_TRACKING_USERNAME": "jane"}, None),
    "a user and password before a token": ({**TOKEN, **JANE}, BASIC),
}


@pytest.mark.parametrize("case", CREDENTIALS)
async def test_credentials_are_those_of_the_mlflow_package(
    mlflow: ScriptedMlflow, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment, expected = CREDENTIALS[case]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TWINOPS_MLFLOW_TRACKING_URI", mlflow.url)
    settings = Settings()
    assert "p@ss" not in repr(settings)
    server = mlflow_server(settings)
    assert "p@ss" not in repr(server)
    async with connected(server) as versions:
        assert await versions.champion(NAME) == "1"
    assert mlflow.headers[0].get("Authorization") == expected


async def test_the_tracking_uri_may_have_a_path_and_requests_name_the_workspace() -> None:
    async with ScriptedMlflow().running("/ml/flow") as mlflow:
        async with connected(MlflowServer(mlflow.url + "/", workspace="blue")) as versions:
            assert await versions.champion(NAME) == "1"
        assert mlflow.headers[0]["X-MLFLOW-WORKSPACE"] == "blue"


async def test_a_certificate_is_checked_by_the_authority_that_was_given(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("mlflow", Identity("mlflow", addresses=(LOOPBACK,)))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(pair.certificate, pair.key)
    async with ScriptedMlflow().running(tls=tls) as mlflow:
        assert "certificate is not trusted" in await failure(MlflowServer(mlflow.url))
        trusting = MlflowServer(mlflow.url, authority=str(authority.pair.certificate))
        for server in (trusting, MlflowServer(mlflow.url, insecure_tls=True)):
            async with connected(server) as versions:
                assert await versions.champion(NAME) == "1"


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"TWINOPS_MLFLOW_TRACKING_URI": "sqlite:///hunter2.db"}, "TWINOPS_MLFLOW_TRACKING_URI"),
        ({"TWINOPS_MLFLOW_TRACKING_URI": "databricks"}, "TWINOPS_MLFLOW_TRACKING_URI"),
        ({"MLFLOW_TRACKING_SERVER_CERT_PATH": "/nowhere.pem"}, "MLFLOW_TRACKING_SERVER_CERT_PATH"),
        ({"MLFLOW_TRACKING_CLIENT_CERT_PATH": "/nowhere.pem"}, "MLFLOW_TRACKING_CLIENT_CERT_PATH"),
        ({"MLFLOW_TRACKING_AWS_SIGV4": "true"}, "MLFLOW_TRACKING_AWS_SIGV4"),
        ({"MLFLOW_TRACKING_AUTH": "plugin"}, "MLFLOW_TRACKING_AUTH"),
    ],
)
def test_what_the_operator_cannot_use_is_refused_at_its_start(
    environment: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Unsafe, match=named) as refused:
        MlflowApi(mlflow_server(Settings()), at_once)
    assert "hunter2" not in str(refused.value)


class Lease:
    """A Lease that is lost before a certain write."""

    def __init__(self, writes: int) -> None:
        self.left = writes

    async def wait_until_renewed(self) -> None:
        if self.left == 0:
            raise InterruptedError("the Lease is old")
        self.left -= 1


PROMOTION: Final = [
    ("POST", "model-versions/set-tag", NAME, "1", "twinops.replacedBy", "2"),
    ("DELETE", "model-versions/delete-tag", NAME, "2", "twinops.replacedBy"),
    ("POST", "model-versions/set-tag", NAME, "2", "twinops.promotedBy", "ns/job"),
    ("POST", "registered-models/alias", NAME, "champion", "2"),
]
ROLLED_BACK: Final = [
    ("POST", "model-versions/set-tag", NAME, "1", "twinops.rolledBack", "worse"),
    ("POST", "model-versions/set-tag", NAME, "1", "twinops.rolledBackBy", "jane"),
    ("POST", "model-versions/set-tag", NAME, "1", "twinops.rolledBackTime", "1970-01-01T00:00:00Z"),
    *PROMOTION[:2],
    PROMOTION[3],
]


async def promote(versions: RestVersions) -> None:
    await versions.promote(NAME, "2", {"twinops.promotedBy": "ns/job"})


async def roll_back(versions: RestVersions) -> None:
    assert await versions.roll_back(NAME, ROLL_BACK)


@pytest.mark.parametrize(("change", "expected"), [(promote, PROMOTION), (roll_back, ROLLED_BACK)])
async def test_each_write_waits_for_the_lease_and_the_alias_moves_last(
    mlflow: ScriptedMlflow, change: Callable[[RestVersions], Awaitable[None]], expected: list[tuple[str, ...]]
) -> None:
    for written in range(len(expected)):
        mlflow.champion, mlflow.tags = "1", {"1": {}, "2": {"twinops.replacedBy": "1"}}
        mlflow.seen.clear()
        async with connected(MlflowServer(mlflow.url)) as versions:
            leaderless = replace(versions, api=versions.api)
            leaderless.api.before_write = Lease(written).wait_until_renewed
            with pytest.raises(InterruptedError):
                await change(leaderless)
            assert mlflow.writes == expected[:written]
            assert mlflow.champion == "1"
            leaderless.api.before_write = at_once
            await change(leaderless)
        assert mlflow.writes[written:][-1] == expected[-1]
        assert mlflow.champion == "2"
        assert "twinops.replacedBy" not in mlflow.tags["2"]
        assert mlflow.tags["1"]["twinops.replacedBy"] == "2"


async def test_a_reason_that_is_too_long_for_a_tag_is_cut(mlflow: ScriptedMlflow) -> None:
    async with connected(MlflowServer(mlflow.url)) as versions:
        assert await versions.roll_back(NAME, replace(ROLL_BACK, reason="x" * 200_000))
    assert mlflow.tags["1"]["twinops.rolledBack"] == "x" * 5000

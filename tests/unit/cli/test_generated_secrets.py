"""`twin-operator secrets create`, against an API server that stores Secrets."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from kubernetes.aio.config import kube_config
from typer.testing import CliRunner, Result

from tests.unit.adapters.secret_server import SecretServer
from twin_operator.cli.main import app
from twin_operator.settings import Settings

ALL = (
    *("--signing-key=twins-signing", "--copy-to=east", "--copy-to=west"),
    *("--passwords=twins-redis=operator,worker,events", "--certificate=twins-redis-tls=twins-redis"),
)


@pytest.fixture
async def server() -> AsyncIterator[SecretServer]:
    async with SecretServer().running() as server:
        yield server


@pytest.fixture
def kubeconfig(server: SecretServer, tmp_path: Path) -> Path:
    """A kubeconfig for the server."""
    content = {
        "clusters": [{"name": "c", "cluster": {"server": server.url}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(content))
    return file


async def run(kubeconfig: Path, *options: str) -> Result:
    """Run the command in a thread: the server answers in this one."""
    command = ["secrets", "create", "--release=twins", "--namespace=growth", *options]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBERNETES_SERVICE_HOST", "")
        # The client reads $KUBECONFIG when it is imported.
        patch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))
        return await asyncio.to_thread(CliRunner().invoke, app, command)


async def test_it_creates_what_is_absent_and_prints_no_value(server: SecretServer, kubeconfig: Path) -> None:
    answer = await run(kubeconfig, *ALL)
    assert answer.exit_code == 0, answer.output
    data = {f"{place}/{name}": body["data"] for (place, name), body in server.secrets.items()}
    assert {place: sorted(values) for place, values in data.items()} == {
        "growth/twins-signing": ["key"],
        "east/twins-signing": ["key"],
        "west/twins-signing": ["key"],
        "growth/twins-redis": ["events", "operator", "worker"],
        "growth/twins-redis-tls": ["ca.crt", "tls.crt", "tls.key"],
    }
    values = [b64decode(value).decode() for each in data.values() for value in each.values()]
    assert not [value for value in values if value in answer.output]
    assert server.secrets["growth", "twins-redis-tls"]["type"] == "kubernetes.io/tls"


async def test_keys_and_passwords_differ_and_stand_in_an_address_as_they_are(
    server: SecretServer, kubeconfig: Path
) -> None:
    await run(kubeconfig, *ALL)
    key = b64decode(server.secrets["growth", "twins-signing"]["data"]["key"]).decode()
    passwords = [b64decode(value).decode() for value in server.secrets["growth", "twins-redis"]["data"].values()]
    assert Settings.model_validate({"signing_key": key}).signing_key.get_secret_value() == key
    assert all(value.isalnum() and len(value) == 64 for value in [key, *passwords])
    assert len({key, *passwords}) == 4


async def test_a_second_run_keeps_everything(server: SecretServer, kubeconfig: Path) -> None:
    await run(kubeconfig, *ALL)
    before = dict(server.secrets)
    answer = await run(kubeconfig, *ALL)
    assert (answer.exit_code, server.secrets) == (0, before)
    assert answer.stdout.count("kept Secret") == 5


@pytest.mark.parametrize(
    ("refused", "sentence"),
    [
        ({"GET": (403, "may not get")}, "A Secret is not there and was not created: may not get\n"),
        ({"POST": (404, "no namespace")}, "A Secret is not there and was not created: no namespace\n"),
    ],
)
async def test_a_refusal_is_one_sentence(
    server: SecretServer, kubeconfig: Path, refused: dict[str, tuple[int, str]], sentence: str
) -> None:
    server.refused = refused
    answer = await run(kubeconfig, *ALL)
    assert (answer.exit_code, answer.stderr) == (1, sentence)


async def test_a_secret_that_cannot_be_used_is_one_sentence(server: SecretServer, kubeconfig: Path) -> None:
    server.secrets["growth", "twins-signing"] = {"metadata": {"name": "twins-signing"}, "data": {}}
    answer = await run(kubeconfig, *ALL)
    assert answer.exit_code == 1
    assert answer.stderr.startswith("Secret twins-signing in namespace growth has no value for key: add it")


async def test_without_a_cluster_it_says_so(tmp_path: Path) -> None:
    answer = await run(tmp_path / "none", *ALL)
    assert answer.exit_code == 1
    assert answer.stderr == "No cluster to talk to: there is no service account and no usable kubeconfig.\n"


@pytest.mark.parametrize(
    "option", ["--passwords=redis", "--passwords==a", "--passwords=redis=a,,b", "--certificate=tls", "--certificate=a="]
)
async def test_an_option_of_another_form_is_named(tmp_path: Path, option: str) -> None:
    answer = await run(tmp_path / "none", option)
    assert (answer.exit_code, answer.stderr) == (
        2,
        f"Correct {option.replace('=', ' ', 1)}: it has the form NAME=VALUE.\n",
    )

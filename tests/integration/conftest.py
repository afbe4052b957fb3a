"""What the integration tests share: one cluster and one of each service for a session, a namespace for each test."""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Sized
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import pytest

from devcluster import Cluster, services
from tests.integration import redis_users
from tests.integration.api_requests import ApiRequests
from tests.integration.brokers import load_scripts

CRDS = Path(__file__).parents[2] / "crds"
_CALL = 300  # seconds for one call of kubectl, with all it may wait for
WITHIN = 300.0  # seconds for a condition: no measure of speed, for most hold within two and the machine may be busy
_POLL = 0.2  # seconds between two checks of a condition

Answer = TypeVar("Answer")


class Kube:
    """A running cluster, with a kubectl for it and requests without one."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.kubeconfig: Path = cluster.kubeconfig
        self.directory: Path = cluster.directory
        self.helm: Path = cluster.helm

    @cached_property
    def requests(self) -> ApiRequests:
        """Requests of the cluster's administrator, who may impersonate."""
        return ApiRequests.of(self.kubeconfig)

    def kubectl(self, *args: str, input: str | None = None, check: bool = True) -> str:  # noqa: A002 - as subprocess
        """Run kubectl and give its standard output; its complaint goes into the error (or the output)."""
        answer = subprocess.run(
            [str(self.cluster.kubectl), *args],
            input=input,
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig)},
            capture_output=True,
            text=True,
            timeout=_CALL,
            check=False,
        )
        if check and answer.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(args)}: {answer.stderr}")
        return answer.stdout if answer.returncode == 0 else answer.stdout + answer.stderr

    def get(self, *args: str) -> Any:
        """Read an object, or a list of them."""
        return json.loads(self.kubectl("get", *args, "-o", "json"))

    def apply(self, *objects: dict[str, Any]) -> None:
        """Apply objects."""
        self.kubectl("apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    def until(self, look: Callable[[], Answer], within: float = WITHIN) -> Answer:
        """Wait until `look` returns something true, and return it."""
        deadline = time.monotonic() + within
        while not (found := look()):
            assert time.monotonic() < deadline, f"not within {within:g} s; the last look found {found!r}"
            time.sleep(_POLL)
        return found

    def until_none(self, look: Callable[[], Sized], within: float = WITHIN) -> None:
        """Wait until `look` returns nothing: what is left is what an error shows."""
        deadline = time.monotonic() + within
        while len(found := look()):
            assert time.monotonic() < deadline, f"after {within:g} s these are left: {found!r}"
            time.sleep(_POLL)


@pytest.fixture(scope="session")
def kube(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kube]:
    """A cluster that knows the operator's kinds."""
    with running_cluster(tmp_path_factory.mktemp("cluster")) as kube:
        yield kube


@contextmanager
def running_cluster(directory: Path) -> Iterator[Kube]:
    """Run a cluster that knows the operator's kinds until the end of the block."""
    with Cluster(directory) as cluster:
        kube = Kube(cluster)
        if list(CRDS.glob("*.yaml")):
            kube.kubectl("apply", "--server-side", "-f", str(CRDS))
            kube.kubectl("wait", "--for=condition=Established", "--timeout=180s", "-f", str(CRDS))
        yield kube
        kube.requests.close()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[services.Service]:
    """A Redis with an append-only file, and the scripts of workers."""
    with services.redis(tmp_path_factory.mktemp("redis")) as service:
        load_scripts(service.url)
        yield service


@pytest.fixture(scope="session")
def guarded_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Redis with the chart's users, and the scripts of workers."""
    folder = tmp_path_factory.mktemp("guarded")
    with services.redis(folder, users=redis_users.write_users(folder / "users.acl")) as service:
        load_scripts(redis_users.address(service.url, "admin"))
        yield service.url


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[services.Service]:
    """An MLflow server with SQLite and proxied artifacts."""
    with services.mlflow(tmp_path_factory.mktemp("mlflow")) as service:
        yield service


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[services.PostgresServer]:
    """A PostgreSQL; a test that stops it starts it again."""
    with services.postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture
def namespace(kube: Kube) -> Iterator[str]:
    """A namespace of the test's own, in which Pods can be created."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    kube.kubectl("create", "namespace", name)
    kube.kubectl("wait", "--for=create", "--timeout=180s", "serviceaccount/default", "-n", name)
    yield name
    kube.kubectl("delete", "namespace", name, "--wait=false")

"""An operator with pools whose workers sleep: real Redis, real Deployments, real workers; no model is asked."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.integration import release_account
from tests.integration.conftest import Kube, running_cluster
from tests.integration.journey.platform_fixture import Platform, Program, operator_environment
from tests.integration.killable_redis import KillableRedis
from twin_operator.adapters.redis_queue import keys
from twin_operator.adapters.redis_queue.message import Messages, Signing
from twin_operator.services.runs.run import Target, Task, TaskKind

NAMESPACE = "scaling"
SLEEPING = Path(__file__).parents[2] / "integration" / "worker" / "sleeping.py"
QUICK = {"maxReplicas": 3, "scaleDownStabilizationSeconds": 3, "targetDrainSeconds": 1, "pollSeconds": 1}
NOWHERE = "http://127.0.0.1:9"  # no model is asked here


@dataclass
class Scaling(Platform):
    """What a test of pools talks to."""

    redis: KillableRedis | None = None
    journal: Path = Path()
    messages: Messages = field(default_factory=Messages)

    def pool(self, name: str, *queues: str, autoscaling: dict[str, Any] | None = None, **spec: Any) -> None:
        """Apply a pool whose workers sleep; autoscaled with quick figures unless it has `replicas`."""
        wanted = list(queues) or [name]
        command = [sys.executable, str(SLEEPING), ",".join(wanted), "1", f"/journal/{self.journal.name}"]
        volume = {"name": "journal", "hostPath": {"path": str(self.journal.parent)}}
        worker = {"name": "worker", "command": command, "volumeMounts": [{"name": "journal", "mountPath": "/journal"}]}
        template = {"spec": {"containers": [worker], "volumes": [volume]}}
        size = {} if "replicas" in spec else {"autoscaling": {**QUICK, **(autoscaling or {})}}
        self.apply("WorkerPool", name, {"queues": wanted, "template": template, **size, **spec})

    def publish(self, queue: str, count: int, seconds: float, priority: int = 5) -> list[str]:
        """Put tasks that sleep into a queue, as another program does, without the operator."""
        runs = [uuid.uuid4().hex for _ in range(count)]
        with self.client() as redis:
            for run in runs:
                payload = {"run": run, "seconds": seconds}
                target = Target("Load", self.namespace, "none", run)
                task = Task(run, TaskKind.SIMULATE, queue, target, 3, payload, priority=priority)
                redis.lpush(*self.messages.write(task))
                redis.hincrby(keys.PUBLISHED, queue)
        return runs

    def client(self) -> Redis:
        """Return a connection to the Redis."""
        return Redis.from_url(self.redis_url)

    def lines(self, event: str, runs: list[str]) -> list[str]:
        """Return the runs of these of which the workers wrote down an event, as often as they did."""
        text = self.journal.read_text() if self.journal.exists() else ""
        words = [line.split() for line in text.splitlines()]
        return [run for what, run, *_ in words if what == event and run in runs]

    def until_done(self, runs: list[str]) -> None:
        """Wait until every run has ended."""
        self.kube.until(lambda: set(self.lines("end", runs)) == set(runs))

    def wanted(self, name: str) -> int:
        """Return how many workers a pool's Deployment wants."""
        replicas: int = self.kube.get("deployment", name, "-n", self.namespace)["spec"]["replicas"]
        return replicas

    def status(self, name: str) -> dict[str, Any]:
        """Return the status of a pool."""
        status: dict[str, Any] = self.get("WorkerPool", name)["status"]
        return status

    def remove(self, name: str) -> None:
        """Delete a pool and wait for its workers to go."""
        self.kube.kubectl("delete", "workerpool", name, "-n", self.namespace)


@pytest.fixture(scope="session")
def kube(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kube]:
    """A cluster of its own: the operator of the journeys would refuse the pools of this namespace."""
    with running_cluster(tmp_path_factory.mktemp("scaling-cluster")) as kube:
        yield kube


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KillableRedis]:
    """A Redis that tests stop."""
    redis = KillableRedis(tmp_path_factory.mktemp("scaling-redis"))
    yield redis
    redis.stack.close()


@pytest.fixture(scope="session")
def scaling(kube: Kube, redis: KillableRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scaling]:
    """An operator that has pools only."""
    folder = tmp_path_factory.mktemp("scaling")
    kube.kubectl("create", "namespace", NAMESPACE)
    # Pools mount a folder of this machine, as the installation's data.
    data = {"dataVolume": {"hostPath": {"path": str(folder)}}, "dataReadOnly": False, "secrets": ["not-there"]}
    environment = {
        **operator_environment(kube, redis.service.url, NOWHERE, NAMESPACE, folder),
        "TWINOPS_TEMPLATES_ALLOWED": json.dumps(data),
    }
    operator = Program(["run"], environment, folder / "operator.log")
    messages = Messages(Signing(environment["TWINOPS_SIGNING_KEY"].encode(), b""))
    url, journal = redis.service.url, folder / "journal"
    scaling = Scaling(kube, NAMESPACE, folder, operator, redis_url=url, redis=redis, journal=journal, messages=messages)
    operator.start()
    yield scaling
    operator.stop()
    assert release_account.refused(kube, release_account.account_name(NAMESPACE)) == []
    kube.kubectl("delete", "namespace", NAMESPACE, "--wait=false")

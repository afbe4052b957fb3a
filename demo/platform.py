"""What the demo runs on: a development cluster, a Redis and an MLflow server, all of them local processes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from demo.telling import Say
from devcluster import Cluster, services
from devcluster.layout import Layout

PROJECT = Path(__file__).resolve().parents[1]
DIRECTORY = PROJECT / ".run" / "demo"


class AlreadyRunningError(Exception):
    """Another demo holds the directory."""


@dataclass(frozen=True)
class Platform:
    """Where everything is, as paths and addresses."""

    kubeconfig: str
    kubectl: str
    helm: str
    redis_url: str
    mlflow_url: str

    def to_json(self) -> str:
        """Render for another process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` rendered."""
        return cls(**json.loads(text))


@contextmanager
def running(directory: Path, say: Say) -> Iterator[Platform]:
    """Start everything afresh in `directory`; when the block ends, nothing of it runs any more.

    Raises:
        AlreadyRunningError: another demo holds the directory.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with Layout(directory).lock() as free:
        if not free:
            raise AlreadyRunningError(f"a demo is running in {directory}; stop it with: make demo STOP=1")
        _clear(directory)
        with _started(directory, say) as platform:
            yield platform


def _clear(directory: Path) -> None:
    for entry in directory.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != "lock":
            entry.unlink()


@contextmanager
def _started(directory: Path, say: Say) -> Iterator[Platform]:
    say("starting a Kubernetes control plane and a node, as processes")
    with Cluster(directory / "cluster", say=say) as cluster:
        say("starting Redis")
        with services.redis(directory / "redis") as redis:
            say("starting MLflow")
            with services.mlflow(directory / "mlflow") as mlflow:
                yield Platform(
                    kubeconfig=str(cluster.kubeconfig),
                    kubectl=str(cluster.kubectl),
                    helm=str(cluster.helm),
                    redis_url=redis.url,
                    mlflow_url=mlflow.url,
                )

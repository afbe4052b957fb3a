"""What the demo runs on: a development cluster in .run/demo, with Redis, MLflow and the operator installed in it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demo import campaigns
from demo.output import PROJECT, console, say
from demo.shell import Shell
from devcluster import Cluster

DIRECTORY = PROJECT / ".run" / "demo"
DATA = DIRECTORY / "data"  # the workers' /data
_HELM = (
    "helm install twin-operator charts/twin-operator --namespace twin-operator --create-namespace --wait --timeout 9m "
    "--values demo/values.yaml --set redis.url=redis://{redis}:6379/0 --set mlflow.trackingUri=http://{mlflow}:5000 "
    "--set 'workers.data.volume.hostPath.path={data}'"
)


class AlreadyRunningError(Exception):
    """An earlier demo was left running."""


def cluster() -> Cluster:
    """Give the cluster of the demo, whether it runs or not."""
    return Cluster(DIRECTORY / "cluster", say=say)


@contextmanager
def running(*, keep: bool) -> Iterator[Shell]:
    """Start a new cluster; it ends with the block and with this process, unless `keep` and the block ends well.

    Raises:
        AlreadyRunningError: an earlier demo is still running.
    """
    ours = cluster()
    if ours.is_running():
        raise AlreadyRunningError("a demo is running; stop it with: make demo STOP=1")
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    try:
        say("starting a Kubernetes control plane and a node, as processes")
        ours.up(detached=keep)
        yield Shell({**os.environ, **variables(ours)})
    except BaseException:
        keep = False
        raise
    finally:
        if not keep:
            ours.down()


def variables(ours: Cluster) -> dict[str, str]:
    """Give the variables by which a shell finds kubectl, its plugin `kubectl twin`, Helm and the cluster."""
    folders = [str(Path(sys.executable).parent), str(ours.kubectl.parent), os.environ.get("PATH", os.defpath)]
    return {"KUBECONFIG": str(ours.kubeconfig), "PATH": os.pathsep.join(folders)}


def install(shell: Shell) -> None:
    """Write the data, start Redis and MLflow, and install the chart.

    Raises:
        CommandError: something of it failed.
    """
    shell.apply("-f demo/services.yaml")
    say("writing the data: examples/hillstrom, dealt into experiments")
    campaigns.write(DATA)
    with console.status("waiting for Redis, MLflow and the operator"):
        shell.run("kubectl wait --for=condition=Ready pods/redis pods/mlflow --timeout=9m")
        command = _HELM.format(redis=address(shell, "redis"), mlflow=address(shell, "mlflow"), data=DATA)
        say(f"$ {command}")
        shell.run(command)


def address(shell: Shell, pod: str) -> str:
    """Give the IP address of a Pod in the default namespace."""
    return shell.run(f"kubectl get pod {pod} -o jsonpath='{{.status.podIP}}'")

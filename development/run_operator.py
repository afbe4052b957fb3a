"""`make run`: the operator of this working tree against the current kubeconfig, in place of a release's own.

The settings are those of the release's Deployment, which has no replicas meanwhile; on Ctrl-C it gets them back.
Variables of the caller come first: where Redis or MLflow are reachable from inside the cluster only, forward their
ports and export `TWINOPS_REDIS_URL` and `TWINOPS_MLFLOW_TRACKING_URI`. The rights are those of the kubeconfig's user.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from devcluster import binaries
from devcluster.build import BuildError
from devcluster.node.environment import expand

JSON = dict[str, Any]
SELECTOR: Final = "app.kubernetes.io/name=twin-operator,app.kubernetes.io/component=operator"
ARCHIVE: Final = Path(__file__).resolve().parents[1] / ".run" / "operator" / "archive.db"
WITHIN: Final = "120s"  # for the Pods of the release to end: their grace period is 30 s


class NoReleaseError(Exception):
    """There is no release to stand in for, or kubectl failed; the message says what to do."""


@dataclass(frozen=True)
class Release:
    """The operator's Deployment of a release."""

    deployment: JSON

    @property
    def name(self) -> str:
        """Of the Deployment."""
        return str(self.deployment["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """Of the release."""
        return str(self.deployment["metadata"]["namespace"])

    @property
    def replicas(self) -> int:
        """How many operators it has."""
        return int(self.deployment["spec"]["replicas"])

    @property
    def variables(self) -> list[JSON]:
        """The EnvVar objects of its container."""
        found: list[JSON] = self.deployment["spec"]["template"]["spec"]["containers"][0]["env"]
        return found


def kubectl(*arguments: str) -> str:
    """Run kubectl against the current kubeconfig.

    Raises:
        NoReleaseError: it failed.
    """
    program = shutil.which("kubectl") or str(binaries.find(_say).kubectl)
    answer = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise NoReleaseError(answer.stderr.strip())
    return answer.stdout


def find_release(name: str | None, namespace: str | None) -> Release:
    """Find the release's Deployment in the cluster; where there are several, a name or a namespace says which.

    Raises:
        NoReleaseError: there is none, or more than one.
    """
    every = json.loads(kubectl("get", "deployments", "--all-namespaces", "-l", SELECTOR, "-o", "json"))["items"]
    found = [
        each
        for each in every
        if name in {None, each["metadata"]["labels"].get("app.kubernetes.io/instance")}
        and namespace in {None, each["metadata"]["namespace"]}
    ]
    if len(found) != 1:
        places = ", ".join(f"{each['metadata']['namespace']}/{each['metadata']['name']}" for each in found) or "none"
        raise NoReleaseError(
            f"There has to be one release of the chart in the cluster of the current kubeconfig; found: {places}. "
            "`make demo KEEP=1` makes a cluster with one; RELEASE=name and NAMESPACE=name choose."
        )
    return Release(found[0])


def environment(release: Release, given: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of an operator on this machine; variables of the caller (`given`) come first."""
    here = {
        "TWINOPS_IDENTITY": f"{os.uname().nodename}-{os.getpid()}",
        "TWINOPS_BIND_ADDRESS": "127.0.0.1",
        "TWINOPS_HEALTH_PORT": "0",  # any that is free
        "TWINOPS_METRICS_PORT": "0",
        "TWINOPS_LOG_FORMAT": "text",
    }
    settings: dict[str, str] = {}
    for variable in release.variables:
        value = _value(variable, release.namespace)
        if value is not None:
            settings[variable["name"]] = expand(value, settings)
    if settings.get("TWINOPS_ARCHIVE_URL", "sqlite:").startswith("sqlite:"):
        here["TWINOPS_ARCHIVE_URL"] = f"sqlite:///{ARCHIVE}"
    return {**settings, **here, **given}


def _value(variable: JSON, namespace: str) -> str | None:
    """Return the value of an EnvVar: a literal, or that of a Secret; None for a field of the Pod."""
    secret = variable.get("valueFrom", {}).get("secretKeyRef")
    if secret is None:
        return str(variable.get("value", "")) if "valueFrom" not in variable else None
    content = json.loads(kubectl("get", "secret", secret["name"], "-n", namespace, "-o", "json")).get("data", {})
    return base64.b64decode(content[secret["key"]]).decode() if secret["key"] in content else None


@contextmanager
def standing_in(release: Release) -> Iterator[None]:
    """Take the replicas of the release's own operator away until the end of the block."""
    where = (f"deployment/{release.name}", "-n", release.namespace)
    kubectl("scale", *where, "--replicas=0")
    try:
        kubectl("wait", "pods", "-n", release.namespace, "-l", SELECTOR, "--for=delete", f"--timeout={WITHIN}")
        yield
    finally:
        kubectl("scale", *where, f"--replicas={release.replicas}")
        _say(f"{release.namespace}/{release.name} has {release.replicas} replicas again")


def run(settings: Mapping[str, str]) -> int:
    """Run the operator until it ends, or until Ctrl-C or SIGTERM, which it gets as well; return its exit code."""
    ARCHIVE.parent.mkdir(parents=True, exist_ok=True)
    command = [str(Path(sys.executable).with_name("twin-operator")), "run"]
    with subprocess.Popen(command, env=dict(settings), start_new_session=True) as process:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: process.terminate())
        return process.wait()


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make run", description="This working tree's operator, for a release's own.")
    parser.add_argument("--release", help="Name of the release, where the cluster has several.")
    parser.add_argument("--namespace", help="Its namespace.")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the operator in place of the release's."""
    options = _parser().parse_args(arguments)
    try:
        release = find_release(options.release, options.namespace)
        settings = environment(release, os.environ)
        _say(f"standing in for {release.namespace}/{release.name} until Ctrl-C")
        with standing_in(release):
            return run(settings)
    except (NoReleaseError, BuildError) as error:
        _say(str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main())

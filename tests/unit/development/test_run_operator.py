"""`make run`: which release it stands in for, and with which settings; on a kubectl that answers from memory."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from development import run_operator
from development.run_operator import NoReleaseError, Release, environment, find_release, standing_in

JSON = dict[str, Any]


def deployment(name: str = "twins", env: list[JSON] | None = None, namespace: str = "ops") -> JSON:
    labels = {"app.kubernetes.io/instance": name}
    spec = {"replicas": 2, "template": {"spec": {"containers": [{"env": env or []}]}}}
    return {"metadata": {"name": name, "namespace": namespace, "labels": labels}, "spec": spec}


@dataclass
class Cluster:
    """Answers kubectl: Deployments, one Secret, and the commands that it was given."""

    deployments: list[JSON]
    commands: list[str] = field(default_factory=list)

    def kubectl(self, *arguments: str) -> str:
        self.commands.append(" ".join(arguments))
        if arguments[:2] == ("get", "deployments"):
            return json.dumps({"items": self.deployments})
        if arguments[:3] == ("get", "secret", "signing"):
            return json.dumps({"data": {"key": base64.b64encode(b"sesame").decode()}})
        return ""


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    cluster = Cluster([deployment()])
    monkeypatch.setattr(run_operator, "kubectl", cluster.kubectl)
    return cluster


def test_the_settings_are_those_of_the_release_and_the_callers_come_first() -> None:
    given = [{"name": "TWINOPS_REDIS_URL", "value": "redis://redis"}, {"name": "TWINOPS_NAMESPACE", "value": "ops"}]
    settings = environment(Release(deployment(env=given)), {"TWINOPS_REDIS_URL": "redis://127.0.0.1", "PATH": "/bin"})
    assert settings["TWINOPS_NAMESPACE"] == "ops"
    assert settings["TWINOPS_REDIS_URL"] == "redis://127.0.0.1"
    assert settings["PATH"] == "/bin"


def test_values_of_secrets_are_read_and_fields_of_the_pod_are_left_out(cluster: Cluster) -> None:
    secret = {"secretKeyRef": {"name": "signing", "key": "key"}}
    given = [
        {"name": "TWINOPS_SIGNING_KEY", "valueFrom": secret},
        {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
    ]
    settings = environment(Release(deployment(env=given)), {})
    assert settings["TWINOPS_SIGNING_KEY"] == "sesame"
    assert "POD_IP" not in settings
    assert cluster.commands == ["get secret signing -n ops -o json"]


def test_what_the_kubelet_would_expand_is_expanded() -> None:
    given = [
        {"name": "USER", "value": "x"},
        {"name": "TWINOPS_WORKER_ENV", "value": '[{"value": "$$(POD_IP) $(USER)"}]'},
    ]
    assert environment(Release(deployment(env=given)), {})["TWINOPS_WORKER_ENV"] == '[{"value": "$(POD_IP) x"}]'


@pytest.mark.parametrize(
    ("url", "kept"), [("sqlite:////var/lib/twin-operator/archive.db", False), ("postgresql://db/archive", True)]
)
def test_an_archive_in_a_file_is_one_of_the_working_tree(url: str, *, kept: bool) -> None:
    settings = environment(Release(deployment(env=[{"name": "TWINOPS_ARCHIVE_URL", "value": url}])), {})
    assert (settings["TWINOPS_ARCHIVE_URL"] == url) is kept
    assert kept or settings["TWINOPS_ARCHIVE_URL"].endswith("/.run/operator/archive.db")


def test_several_releases_need_a_name(cluster: Cluster) -> None:
    cluster.deployments.append(deployment("others"))
    with pytest.raises(NoReleaseError, match="found: ops/twins, ops/others"):
        find_release(None, None)
    assert find_release("others", None).name == "others"


def test_without_a_release_the_sentence_says_how_to_get_one(cluster: Cluster) -> None:
    cluster.deployments.clear()
    with pytest.raises(NoReleaseError, match="make demo KEEP=1"):
        find_release(None, None)


def test_the_replicas_come_back_whatever_the_operator_ends_with(cluster: Cluster) -> None:
    with suppress(RuntimeError), standing_in(Release(deployment())):
        cluster.commands.append("the operator of the working tree")
        raise RuntimeError
    assert cluster.commands[0] == "scale deployment/twins -n ops --replicas=0"
    assert cluster.commands[-2:] == [
        "the operator of the working tree",
        "scale deployment/twins -n ops --replicas=2",
    ]

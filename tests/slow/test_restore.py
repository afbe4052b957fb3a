"""A cluster is made again from a dump of its objects: all uids are new, MLflow and the archive are as they were.

The steps are those of docs/restore.md.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from mlflow import MlflowClient
from redis import Redis

from tests.integration.conftest import Kube, running_cluster
from tests.integration.journey import experiments
from tests.integration.journey.campaign import question
from tests.integration.journey.platform_fixture import COMMAND, Platform, running_platform
from tests.slow import foreign_models
from twin_operator.adapters.sql_archive.archive import SqlArchive

EFFECT = 0.15
FOREIGN = "churn.restored-scores"
JSON = dict[str, Any]


@pytest.fixture(scope="module")
def surveyed(platform: Platform) -> Platform:
    """The platform with a twin that is calibrated by four outcomes, next to a model of another team."""
    foreign_models.register(platform.mlflow_url, FOREIGN)
    experiments.write(platform.data / "survey.csv", experiments.rows(["first"], EFFECT))
    platform.apply("TwinModel", "survey", experiments.spec(f"file://{platform.data}/survey.csv"))
    platform.until_phase("TwinModel", "survey", "Ready")
    for number in range(4):
        estimate = ask(platform, f"asked-{number}")["status"]["effect"]["estimate"]
        observed = {"experiment": f"later-{number}", "effect": estimate, "standardError": 0.02}
        platform.patch("Simulation", f"asked-{number}", {"observed": observed})
        platform.kube.until(lambda count=number + 1: fidelity(platform).get("validations") == count)
    return platform


def ask(platform: Platform, name: str) -> JSON:
    platform.apply("Simulation", name, question("survey"))
    return platform.until_phase("Simulation", name, "Succeeded")


def fidelity(platform: Platform) -> JSON:
    found: JSON = platform.get("TwinModel", "survey")["status"].get("fidelity") or {}
    return found


def content_of(answer: JSON) -> JSON:
    """Return the content of an answer, without when and where it was computed."""
    status = answer["status"]
    return {name: status.get(name) for name in ("modelVersion", "effect", "basis", "recommendation", "warnings")}


def dump(platform: Platform) -> list[JSON]:
    """Return the objects as a backup keeps them: without what the API server gives to an object."""
    kinds = ("twinmodels", "simulations", "retrainingjobs")
    objects = [each for kind in kinds for each in platform.kube.get(kind, "-n", platform.namespace)["items"]]
    for each in objects:
        each["metadata"] = {key: each["metadata"][key] for key in ("name", "namespace")}
    return objects


def restore(kube: Kube, objects: list[JSON]) -> None:
    """Create objects, and write their statuses."""
    kube.apply(*({key: value for key, value in each.items() if key != "status"} for each in objects))
    for each in objects:
        where = (each["kind"], each["metadata"]["name"], "-n", each["metadata"]["namespace"])
        patch = json.dumps({"status": each["status"]})
        kube.kubectl("patch", *where, "--subresource=status", "--type=merge", "-p", patch)


@pytest.fixture(scope="module")
def other_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kube]:
    """A second cluster: its kube-system has another uid."""
    with running_cluster(tmp_path_factory.mktemp("other-cluster")) as kube:
        yield kube


def cluster_uid(kube: Kube) -> str:
    return str(kube.get("namespace", "kube-system")["metadata"]["uid"])


def adopt_archive(url: str, source: str, target: str) -> str:
    """Run `twin-operator archive adopt`; return what it prints."""
    command = [COMMAND, "archive", "adopt", source, "--cluster", target, "--url", url]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout


def test_a_restored_cluster_keeps_twins_versions_outcomes_and_fidelity(
    surveyed: Platform, other_cluster: Kube, tmp_path_factory: pytest.TempPathFactory
) -> None:
    foreign = foreign_models.content(surveyed.mlflow_url, FOREIGN)
    before, answer = fidelity(surveyed), content_of(ask(surveyed, "before"))
    objects, namespace = dump(surveyed), surveyed.namespace
    kept = SqlArchive(surveyed.archive_url)
    surveyed.kube.until(lambda: len(kept.known([uid_of(surveyed, each) for each in objects])) == 5)
    surveyed.operator.stop()
    for worker in surveyed.workers.values():
        worker.stop()

    other_cluster.kubectl("create", "namespace", namespace)
    restore(other_cluster, objects)
    adopted = adopt_archive(surveyed.archive_url, cluster_uid(surveyed.kube), cluster_uid(other_cluster))
    assert "4 outcomes" in adopted
    assert "5 simulations" in adopted
    platform_of = running_platform(
        other_cluster,
        surveyed.redis_url,
        surveyed.mlflow_url,
        namespace,
        tmp_path_factory.mktemp("restored"),
        surveyed.data,
        settings={"TWINOPS_ARCHIVE_URL": surveyed.archive_url},
    )
    Redis.from_url(surveyed.redis_url).flushall()
    with platform_of as restored:
        restored.until_condition("TwinModel", "survey", "Stalled", "RegisteredModelTaken")
        restored.apply("Simulation", "early", question("survey"))
        restored.until_condition("Simulation", "early", "Ready", "ModelNotReady")

        registered = f"{namespace}.survey"
        MlflowClient(restored.mlflow_url, restored.mlflow_url).set_registered_model_tag(
            registered, "twinops.adopt", f"{namespace}/survey"
        )
        restored.until_phase("TwinModel", "survey", "Ready")
        restored.until_phase("Simulation", "early", "Succeeded")
        assert content_of(ask(restored, "after")) == answer
        assert fidelity(restored) == before
        assert restored.versions("survey") == ["1"]
        assert restored.champion("survey") == "1"
        tags = MlflowClient(restored.mlflow_url, restored.mlflow_url).get_registered_model(registered).tags
        assert "twinops.adopt" not in tags
        assert tags["twinops.owner"].startswith(f"{cluster_uid(other_cluster)}/{namespace}/survey/")
        estimate = ask(restored, "asked-4")["status"]["effect"]["estimate"]
        observed = {"experiment": "later-4", "effect": estimate, "standardError": 0.02}
        restored.patch("Simulation", "asked-4", {"observed": observed})
        restored.kube.until(lambda: fidelity(restored).get("validations") == 5)
    assert foreign_models.content(surveyed.mlflow_url, FOREIGN) == foreign


def uid_of(platform: Platform, manifest: JSON) -> str:
    """Return the uid of an object of a dump where it was dumped."""
    return str(platform.get(manifest["kind"], manifest["metadata"]["name"])["metadata"]["uid"])

"""Kustomize changes the names that resources have for each other, with the configuration of examples/kustomize."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from kubernetes.client import models

from devcluster import binaries
from tests.integration.chart.test_examples import KUSTOMIZE
from tests.manifests import load_manifests

CONFIGURATION: Final = yaml.safe_load((KUSTOMIZE / "name-references.yaml").read_text())["nameReference"]
REFERENCES: Final = [
    (each["kind"], each.get("group", ""), field["kind"], field["path"])
    for each in CONFIGURATION
    for field in each["fieldSpecs"]
]
API_VERSIONS: Final = {"twinops.dev": "twinops.dev/v1alpha1", "": "v1"}
LISTS: Final = {"volumes", "containers", "env", "envFrom", "imagePullSecrets"}


def holding(names: list[str], value: str) -> Any:
    """Return a spec with a value at a path."""
    if not names:
        return value
    inner = {names[0]: holding(names[1:], value)}
    return {names[0]: [inner[names[0]]]} if names[0] in LISTS else inner


def at(content: Any, names: list[str]) -> Any:
    """Return what a spec has at a path; of lists, the only item."""
    for name in names:
        content = content[name]
        content = content[0] if isinstance(content, list) else content
    return content


def kind_at(names: list[str], kind: str) -> str:
    """Return the type of a field of Kubernetes' own kinds; fail where there is no such field."""
    for name in names:
        model = getattr(models, kind)
        fields = {camel: model.openapi_types[snake] for snake, camel in model.attribute_map.items()}
        kind = fields[name].removeprefix("List[").removesuffix("]")
    return kind


def kustomized(folder: Path) -> list[dict[str, Any]]:
    command = [str(binaries.find().kubectl), "kustomize", str(folder)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert answer.returncode == 0, answer.stderr
    return load_manifests(answer.stdout)


@pytest.mark.parametrize(("named", "group", "kind", "path"), REFERENCES)
def test_each_reference_follows_the_name(named: str, group: str, kind: str, path: str, tmp_path: Path) -> None:
    target = {"apiVersion": API_VERSIONS[group], "kind": named, "metadata": {"name": "target"}}
    names = path.split("/")
    user = {"apiVersion": API_VERSIONS["twinops.dev"], "kind": kind, "metadata": {"name": "user"}}
    shutil.copy(KUSTOMIZE / "name-references.yaml", tmp_path)
    resources = [target, {**user, **holding(names, "target")}]
    (tmp_path / "resources.yaml").write_text(yaml.safe_dump_all(resources))
    kustomization = {
        "namePrefix": "growth-",
        "resources": ["resources.yaml"],
        "configurations": ["name-references.yaml"],
    }
    (tmp_path / "kustomization.yaml").write_text(json.dumps(kustomization))
    changed = next(each for each in kustomized(tmp_path) if each["kind"] == kind)
    assert at(changed, names) == "growth-target"


@pytest.mark.parametrize("path", [path for _, _, kind, path in REFERENCES if kind == "WorkerPool"])
def test_a_reference_of_a_template_is_a_field_of_pods(path: str) -> None:
    template, *names = path.removeprefix("spec/").split("/")
    assert template == "template"
    assert kind_at(names, "V1PodTemplateSpec") == "str"


def test_the_example_asks_the_twin_of_the_new_name() -> None:
    kinds = {each["kind"]: each for each in kustomized(KUSTOMIZE)}
    assert kinds["TwinModel"]["metadata"]["name"] == "growth-customers"
    assert kinds["Simulation"]["spec"]["modelRef"]["name"] == "growth-customers"
    (container,) = kinds["WorkerPool"]["spec"]["template"]["spec"]["containers"]
    assert container["envFrom"][0]["configMapRef"]["name"] == kinds["ConfigMap"]["metadata"]["name"]

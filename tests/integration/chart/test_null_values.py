"""A value that is null stands for its default, wherever it is: `--set archive.volume=null`, or values of Flux."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.integration.chart.conftest import Helm
from tests.integration.chart.test_chart import ADDRESSES, NETWORK, VALUE_SETS
from tests.integration.chart.test_rendering import rendered

CHART: Final = Path(Helm.chart)
DEFAULTS: Final = yaml.safe_load((CHART / "files" / "defaults.yaml").read_text())


def sections(depth: int) -> set[str]:
    """Return the paths of the values that hold others, so many names long."""
    paths = (path.split(".") for path in DEFAULTS)
    return {".".join(names[:depth]) for names in paths if len(names) > depth}


DEPTHS: Final = range(1, 1 + max(path.count(".") for path in DEFAULTS))


def nulls(folder: Path, paths: Iterable[str], options: Sequence[str]) -> list[str]:
    """Return options that make these values null, but for those of which `options` set a part."""
    given = [option.partition("=")[0] for option in options]
    chosen = [path for path in paths if not any(each.startswith(f"{path}.") for each in given)]
    assert chosen
    values: dict[str, Any] = {}
    for path in chosen:
        *parents, name = path.split(".")
        section = values
        for parent in parents:
            section = section.setdefault(parent, {})
        section[name] = None
    file = folder / "nulls.yaml"
    file.write_text(json.dumps(values))
    return ["--values", str(file)]


@pytest.mark.parametrize("values", [VALUE_SETS["everything"], NETWORK], ids=["everything", "network"])
def test_a_value_that_is_null_is_its_default(offline_helm: Helm, values: Sequence[str], tmp_path: Path) -> None:
    assert rendered(offline_helm, [*nulls(tmp_path, DEFAULTS, values), *values]) == rendered(offline_helm, values)


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_section_that_is_null_has_its_defaults(offline_helm: Helm, depth: int, tmp_path: Path) -> None:
    found = sections(depth)
    assert rendered(offline_helm, [*nulls(tmp_path, found, ADDRESSES), *ADDRESSES]) == rendered(offline_helm, ADDRESSES)


def test_null_takes_away_what_a_map_of_kubernetes_or_of_ones_own_names_has(offline_helm: Helm) -> None:
    options = ("--set", "operator.resources.limits=null,workerPools.pools.light=null")
    manifests = offline_helm.template((*ADDRESSES, *options))
    kinds = {(each["kind"], each["metadata"]["name"]): each for each in manifests}
    operator = kinds["Deployment", "twin-operator"]["spec"]["template"]["spec"]["containers"][0]
    assert set(operator["resources"]) == {"requests"}
    assert ("WorkerPool", "twin-operator-medium") in kinds
    assert ("WorkerPool", "twin-operator-light") not in kinds


def test_two_replicas_need_a_database_though_the_archive_is_null(offline_helm: Helm) -> None:
    options = ("--set", "operator.replicas=2,archive=null,postgresql=null")
    answer = offline_helm("template", "twins", offline_helm.chart, *offline_helm.version, *ADDRESSES, *options)
    assert answer.returncode != 0
    assert "archive" in answer.stderr


def test_every_template_begins_by_putting_defaults_back() -> None:
    templates = [*(CHART / "templates").rglob("*.yaml"), CHART / "templates" / "NOTES.txt"]
    first = '{{- include "twin-operator.defaults" . -}}'
    assert len(templates) > 30
    assert [file.name for file in templates if not file.read_text().startswith(first)] == []

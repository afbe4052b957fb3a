"""A chart of a version before this one: its Simulations had neither a short name nor `status.worker`."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml


def previous_chart(chart: str, folder: Path) -> str:
    """Write it into a folder; return its path."""
    previous = folder / "twin-operator"
    shutil.copytree(chart, previous)
    file = previous / "crds" / "twinops.dev_simulations.yaml"
    crd = yaml.safe_load(file.read_text())
    del crd["spec"]["names"]["shortNames"]
    del crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]["worker"]
    file.write_text(yaml.safe_dump(crd))
    about = yaml.safe_load((previous / "Chart.yaml").read_text())
    (previous / "Chart.yaml").write_text(yaml.safe_dump(about | {"version": "0.0.1"}))
    return str(previous)

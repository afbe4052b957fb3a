"""A chart of a version before this one.

Its Simulations had neither a short name nor `status.worker`, and its templates may have made the signing key.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import yaml

SIGNING_KEY: Final = """\
apiVersion: v1
kind: Secret
metadata:
  name: {{ include "twin-operator.fullname" . }}-signing
  namespace: {{ .Release.Namespace }}
  annotations:
    helm.sh/resource-policy: keep
data:
  key: {{ randAlphaNum 64 | b64enc }}
"""


def previous_chart(chart: str, folder: Path, *, key_in_templates: bool = True) -> str:
    """Write it into a folder; return its path.

    Args:
        chart: the present one.
        folder: where to.
        key_in_templates: whether the templates make the signing key and no other Secret; else a Job makes them all.
    """
    previous = folder / "twin-operator"
    shutil.copytree(chart, previous)
    file = previous / "crds" / "twinops.dev_simulations.yaml"
    crd = yaml.safe_load(file.read_text())
    del crd["spec"]["names"]["shortNames"]
    del crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]["worker"]
    file.write_text(yaml.safe_dump(crd))
    if key_in_templates:
        (previous / "templates" / "secrets" / "job.yaml").write_text(SIGNING_KEY)
    about = yaml.safe_load((previous / "Chart.yaml").read_text())
    (previous / "Chart.yaml").write_text(yaml.safe_dump(about | {"version": "0.0.1"}))
    return str(previous)

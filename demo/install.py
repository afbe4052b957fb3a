"""Installs the operator by its chart, with the values of this one machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from demo.kubernetes import Kubernetes
from demo.platform import PROJECT, Platform

NAMESPACE = "twin-operator"
_DATA_WATCH = 10  # seconds between two checks of a twin's data: the default would delay the demo
_CHART = PROJECT / "charts" / "twin-operator"


def values(platform: Platform, data: Path) -> dict[str, Any]:
    """Give the chart's values: addresses on the loopback, and the folder that workers see as /data."""
    return {
        "image": {"repository": "twin-operator"},
        "redis": {"url": platform.redis_url},
        "mlflow": {"trackingUri": platform.mlflow_url},
        "logFormat": "text",
        "archive": {"volume": {"emptyDir": {}}},
        "dataWatch": {"intervalSeconds": _DATA_WATCH},
        "workers": {"data": {"volume": {"hostPath": {"path": str(data)}}}},
    }


def install(kubernetes: Kubernetes, data: Path) -> None:
    """Install CRDs, operator, rights and default worker pools."""
    where = ["--namespace", NAMESPACE, "--create-namespace"]
    given = json.dumps(values(kubernetes.platform, data))
    kubernetes.helm("install", "twin-operator", str(_CHART), *where, "--values", "-", text=given)

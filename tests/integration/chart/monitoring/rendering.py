"""Sets of values with everything for monitoring turned on."""

from __future__ import annotations

from pathlib import Path

REPOSITORY = Path(__file__).parents[4]
CHART = REPOSITORY / "charts" / "twin-operator"
ADDRESSES = ("--set", "redis.url=redis://redis.data:6379/0", "--set", "mlflow.trackingUri=http://mlflow.ml:5000")
ALL = (
    *ADDRESSES,
    *("--set", "metrics.serviceMonitor.enabled=true", "--set", "metrics.podMonitor.enabled=true"),
    *("--set", "metrics.prometheusRule.enabled=true", "--set", "metrics.dashboards.enabled=true"),
    *("--set", "events.enabled=true"),
)

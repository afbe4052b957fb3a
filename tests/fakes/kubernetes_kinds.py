"""Kubernetes' own kinds: Deployments and Pods, which have no schema here, only the rules that matter."""

from collections.abc import Iterator
from typing import Final

from tests.fakes.schema import SYSTEM
from twin_operator.services.runs.run import JSON

BORN: Final[dict[str, JSON]] = {"Deployment": {}, "Pod": {"phase": "Pending"}}
"""The status with which an object of these kinds starts."""


def with_defaults(body: JSON) -> JSON:
    """Return an object with the defaults that the operator reads."""
    return {**body, "spec": {"replicas": 1, **body["spec"]}} if body["kind"] == "Deployment" else body


def problems(body: JSON, before: JSON | None) -> Iterator[str]:
    """Yield why an object is invalid; `before`: what it replaces."""
    if body["kind"] != "Deployment":
        return
    spec = body["spec"]
    labels = spec["template"]["metadata"].get("labels") or {}
    if not spec["selector"]["matchLabels"].items() <= labels.items():
        yield "spec.template.metadata.labels: Invalid value: `selector` does not match template `labels`"
    if before and spec["selector"] != before["spec"]["selector"]:
        yield "spec.selector: Invalid value: field is immutable"


def counted(body: JSON) -> JSON:
    """Return what generations count: all but metadata and status; of a Deployment annotations too."""
    rest = {key: value for key, value in body.items() if key not in {*SYSTEM, "status"}}
    return {**rest, "annotations": body["metadata"].get("annotations")} if body["kind"] == "Deployment" else rest

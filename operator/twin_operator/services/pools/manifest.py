"""The Deployment that a WorkerPool owns."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

import orjson

from twin_operator.api.v1alpha1 import API_VERSION
from twin_operator.services.runs.run import JSON

CACHE = "/var/cache/twin-operator"  # where a worker keeps banks; an emptyDir
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}  # two threads on a busy machine take 40 times as long
LOST_NODE_SECONDS: Final = 30
"""After which Pods of a node that does not answer are replaced; Kubernetes' own default is 300."""
LOST_NODE: Final = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


@dataclass(frozen=True)
class WorkerDefaults:
    """What the installation says of every worker Pod."""

    image: str
    pull_policy: str
    service_account: str
    env: Sequence[JSON]
    metrics_port: int
    template: JSON = field(default_factory=dict)


def deployment(body: JSON, defaults: WorkerDefaults, replicas: int) -> JSON:
    """Return the Deployment that a pool owns.

    Args:
        body: the pool.
        defaults: what the installation says of every worker Pod.
        replicas: workers wanted; a Deployment that is there keeps what it has.
    """
    meta, spec = body["metadata"], body["spec"]
    selector = labels(meta["name"])
    template = merge_template(_template(body, defaults), defaults.template)
    template = merge_template(template, spec.get("template") or {})
    template = merge_template(template, {"metadata": {"labels": selector}, "spec": _follow_ups(template["spec"])})
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": meta["name"],
            "namespace": meta["namespace"],
            "labels": selector,
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": "WorkerPool",
                    "name": meta["name"],
                    "uid": meta["uid"],
                    "controller": True,
                    "blockOwnerDeletion": False,
                }
            ],
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"twinops.dev/pool": meta["name"]}},
            # A worker of the new template is ready before one of the old goes, and that one ends what it does.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"}},
            "template": template,
        },
    }


def digest(manifest: JSON) -> str:
    """Return what tells one wanted Deployment from another, whatever its number of workers."""
    spec = {**manifest["spec"], "replicas": 0}
    return sha256(orjson.dumps({**manifest, "spec": spec}, option=orjson.OPT_SORT_KEYS)).hexdigest()


def selector(pool: str) -> str:
    """Return the label selector of a pool's Pods."""
    return f"twinops.dev/pool={pool}"


def labels(pool: str) -> dict[str, str]:
    """Return the labels of a pool's Deployment and Pods."""
    return {
        "app.kubernetes.io/name": "twin-operator",
        "app.kubernetes.io/component": "worker",
        "app.kubernetes.io/instance": pool,
        "twinops.dev/pool": pool,
    }


def _follow_ups(spec: JSON) -> JSON:
    """Return what depends on a merged Pod's own fields: workers know their grace, lost nodes are left soon."""
    grace = {"name": "TWINOPS_GRACE_SECONDS", "value": str(spec["terminationGracePeriodSeconds"])}
    given = list(spec.get("tolerations") or ())
    named = {toleration.get("key") for toleration in given}
    ours = [_until_lost(key) for key in LOST_NODE if key not in named]
    return {"containers": [{"name": "worker", "env": [grace]}], "tolerations": [*given, *ours]}


def _until_lost(key: str) -> JSON:
    return {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": LOST_NODE_SECONDS}


def _template(body: JSON, defaults: WorkerDefaults) -> JSON:
    spec = body["spec"]
    return {
        "metadata": {"labels": {}},
        "spec": {
            "serviceAccountName": defaults.service_account,
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": spec.get("terminationGracePeriodSeconds", 120),
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "fsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [_container(spec, defaults)],
            "volumes": [{"name": "cache", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
        },
    }


def _container(spec: JSON, defaults: WorkerDefaults) -> JSON:
    port = defaults.metrics_port
    command = ["twin-operator", "worker", "--queues", ",".join(spec["queues"])]
    return {
        "name": "worker",
        "image": defaults.image,
        "imagePullPolicy": defaults.pull_policy,
        "command": [*command, "--concurrency", str(spec.get("concurrency", 1)), "--tier", spec.get("tier", "Light")],
        "env": _env(defaults),
        "ports": [{"name": "metrics", "containerPort": port}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": port}, "periodSeconds": 2, "failureThreshold": 3},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "cache", "mountPath": CACHE}, {"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - the Pod's own
    }


def _env(defaults: WorkerDefaults) -> list[JSON]:
    downward = {"POD_IP": "status.podIP", "POD_NAME": "metadata.name"}
    fields = [{"name": n, "valueFrom": {"fieldRef": {"fieldPath": p}}} for n, p in downward.items()]
    fixed = {
        "TWINOPS_BIND_ADDRESS": "$(POD_IP)",
        "TWINOPS_IDENTITY": "$(POD_NAME)",
        "TWINOPS_BANK_DIRECTORY": CACHE,
        "TWINOPS_METRICS_PORT": str(defaults.metrics_port),
        **ONE_THREAD,
    }
    return [*fields, *({"name": n, "value": v} for n, v in fixed.items()), *defaults.env]


MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
}


def merge_template(default: JSON, partial: JSON) -> JSON:
    """Return `default` with `partial` merged in; neither is changed."""
    merged = dict(default)
    for key, value in partial.items():
        merged[key] = _merge(key, default.get(key), value)
    return merged


def _merge(key: str, old: Any, new: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(old, dict) and isinstance(new, dict):
        return merge_template(old, new)
    if isinstance(old, list) and isinstance(new, list) and key in MERGE_KEYS:
        return _merge_lists(MERGE_KEYS[key], old, new)
    return new


def _merge_lists(name: str, old: list[JSON], new: list[JSON]) -> list[JSON]:
    merged = {item.get(name): item for item in old}
    for item in new:
        before = merged.get(item.get(name))
        # An env var's value and its source exclude each other: the newer one replaces the whole entry.
        whole = before is None or "valueFrom" in item or "valueFrom" in before
        merged[item.get(name)] = item if whole or before is None else merge_template(before, item)
    return list(merged.values())

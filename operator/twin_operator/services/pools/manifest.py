"""The manifest of the Deployment that a WorkerPool owns, with the user's partial Pod template merged into it.

It stays JSON: it is written, never read, and a template is JSON by its nature.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

import orjson

from twin_operator.api.v1alpha1 import API_VERSION, OwnerReference, WorkerPool
from twin_operator.api.v1alpha1.worker_pool import WorkerPoolSpec
from twin_operator.services.runs.run import JSON

CACHE = "/var/cache/twin-operator"  # where a worker keeps banks; an emptyDir
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Two threads on a busy machine take 40 times as long."""
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


def deployment_manifest(pool: WorkerPool, defaults: WorkerDefaults, replicas: int) -> JSON:
    """Return the Deployment that a pool owns.

    Args:
        pool: the owner.
        defaults: what the installation says of every worker Pod.
        replicas: of the Deployment; an existing one keeps what it has.
    """
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": pool.name,
            "namespace": pool.namespace,
            "labels": labels(pool.name),
            "ownerReferences": [owner_reference(pool).model_dump(mode="json")],
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"twinops.dev/pool": pool.name}},
            # A worker of the new template is ready before one of the old is removed, which finishes its tasks.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"}},
            "template": _template(pool, defaults),
        },
    }


def digest(manifest: JSON) -> str:
    """Return the digest of a manifest whatever its replicas: equal ones need not be applied again."""
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


def owner_reference(pool: WorkerPool) -> OwnerReference:
    """Return the owner reference of a pool's Deployment."""
    return OwnerReference(
        api_version=API_VERSION,
        kind=pool.definition.kind,
        name=pool.name,
        uid=pool.uid,
        controller=True,
        block_owner_deletion=False,
    )


def _template(pool: WorkerPool, defaults: WorkerDefaults) -> JSON:
    """Return the Pod template: ours, then the installation's, then the pool's; the labels of the selector stay."""
    template = merge_template(_own_template(pool.spec, defaults), defaults.template)
    template = merge_template(template, pool.spec.template or {})
    return merge_template(
        template, {"metadata": {"labels": labels(pool.name)}, "spec": _derived_fields(template["spec"])}
    )


def _derived_fields(spec: JSON) -> JSON:
    """Return what depends on a merged Pod's own fields: the grace period as a variable, tolerations of lost nodes."""
    grace = {"name": "TWINOPS_GRACE_SECONDS", "value": str(spec["terminationGracePeriodSeconds"])}
    given = list(spec.get("tolerations") or ())
    keys = {toleration.get("key") for toleration in given}
    ours = [_toleration(key) for key in LOST_NODE if key not in keys]
    return {"containers": [{"name": "worker", "env": [grace]}], "tolerations": [*given, *ours]}


def _toleration(key: str) -> JSON:
    return {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": LOST_NODE_SECONDS}


def _own_template(spec: WorkerPoolSpec, defaults: WorkerDefaults) -> JSON:
    return {
        "metadata": {"labels": {}},
        "spec": {
            "serviceAccountName": defaults.service_account,
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": spec.termination_grace_period_seconds,
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


def _container(spec: WorkerPoolSpec, defaults: WorkerDefaults) -> JSON:
    port = defaults.metrics_port
    command = ["twin-operator", "worker", "--queues", ",".join(spec.queues)]
    return {
        "name": "worker",
        "image": defaults.image,
        "imagePullPolicy": defaults.pull_policy,
        "command": [*command, "--concurrency", str(spec.concurrency), "--tier", spec.tier.value],
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

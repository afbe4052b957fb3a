"""WorkerPools: the Deployment that each owns, and its status. Fixed replicas; no autoscaling yet."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from twin_operator.api.v1alpha1 import API_VERSION
from twin_operator.services.conditions import Fact, merge_conditions, ready, reconciling, stalled
from twin_operator.services.pod_template import merge_template
from twin_operator.services.tasks import JSON

CACHE = "/var/cache/twin-operator"  # where a worker keeps banks; an emptyDir
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}  # two threads on a busy machine take 40 times as long


@dataclass(frozen=True)
class WorkerDefaults:
    """What the installation says of every worker Pod."""

    image: str
    pull_policy: str
    service_account: str
    env: Sequence[JSON]
    metrics_port: int
    template: JSON = field(default_factory=dict)


@dataclass(frozen=True)
class PoolSnapshot:
    """A WorkerPool, the other pools, and its Deployment as it is."""

    body: JSON
    others: Collection[JSON]
    deployment: JSON | None
    namespaces: Collection[str]


def refusal(snapshot: PoolSnapshot) -> list[Fact] | None:
    """Return why the pool is not taken, or None."""
    spec, meta = snapshot.body["spec"], snapshot.body["metadata"]
    if meta["namespace"] not in snapshot.namespaces:
        allowed = ", ".join(sorted(snapshot.namespaces))
        return stalled(
            "NamespaceNotAllowed", f"Pools are taken in {allowed} only; add the namespace to workerPools.namespaces."
        )
    if spec.get("autoscaling"):
        return stalled("NotSupported", "spec.autoscaling is not supported yet; set spec.replicas in its place.")
    for other in snapshot.others:
        shared = sorted(set(spec["queues"]) & set(other["spec"]["queues"]))
        if shared and _older(other, snapshot.body):
            name = f"{other['metadata']['namespace']}/{other['metadata']['name']}"
            return stalled("QueueTaken", f"Queue {shared[0]} belongs to WorkerPool {name}; a queue has one pool.")
    return None


def deployment(body: JSON, defaults: WorkerDefaults) -> JSON:
    """Return the Deployment that a pool owns."""
    meta, spec = body["metadata"], body["spec"]
    selector = labels(meta["name"])
    template = merge_template(_template(body, defaults), defaults.template)
    template = merge_template(template, spec.get("template") or {})
    template = merge_template(template, {"metadata": {"labels": selector}})
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
            "replicas": spec.get("replicas", 1),
            "selector": {"matchLabels": {"twinops.dev/pool": meta["name"]}},
            "template": template,
        },
    }


def labels(pool: str) -> dict[str, str]:
    """Return the labels of a pool's Deployment and Pods."""
    return {
        "app.kubernetes.io/name": "twin-operator",
        "app.kubernetes.io/component": "worker",
        "app.kubernetes.io/instance": pool,
        "twinops.dev/pool": pool,
    }


def status(snapshot: PoolSnapshot, now: float) -> JSON:
    """Return the status of a pool from its Deployment's."""
    body = snapshot.body
    current = (snapshot.deployment or {}).get("status") or {}
    wanted, running = body["spec"].get("replicas", 1), current.get("readyReplicas", 0)
    refused = refusal(snapshot)
    if refused is not None:
        phase, facts = "Failed", refused
    elif wanted == 0:
        phase, facts = "Idle", ready("ScaledToZero", "No workers are wanted.")
    elif running >= wanted and current.get("updatedReplicas", 0) >= wanted:
        phase, facts = "Ready", ready("WorkersReady", f"{running} of {wanted} workers are ready.")
    else:
        phase, facts = "Scaling", reconciling("Scaling", f"{running} of {wanted} workers are ready.")
    return {
        "observedGeneration": body["metadata"].get("generation", 1),
        "phase": phase,
        "replicas": current.get("replicas", 0),
        "readyReplicas": running,
        "desiredReplicas": wanted,
        "selector": f"twinops.dev/pool={body['metadata']['name']}",
        "conditions": merge_conditions(body, facts, now),
    }


def _older(one: JSON, other: JSON) -> bool:
    def age(body: JSON) -> tuple[str, str]:
        return body["metadata"].get("creationTimestamp", ""), body["metadata"]["uid"]

    return age(one) < age(other)


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

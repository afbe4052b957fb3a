"""Templates of WorkerPools that break a rule or keep to all, for the operator's rules and for the admission policy.

Both must decide alike: the table is asked of the pure function and of a real API server.
"""

from __future__ import annotations

from typing import Any, Final

from twin_operator.services.pools import template_constraints as has
from twin_operator.services.pools.manifest import merge_template
from twin_operator.services.pools.template_constraints import Named, TemplateAllowance
from twin_operator.services.pools.template_rules import RULES, Rule

Template = dict[str, Any]
DATA: Final = {"hostPath": {"path": "/srv/it's data", "type": "Directory"}}
ALLOWANCE: Final = TemplateAllowance(
    worker_account="twin-operator-worker",
    worker_image="twin-operator:0.1.0",
    names={
        Named.SERVICE_ACCOUNT: frozenset({"spark"}),
        Named.SECRET: frozenset({"s3", "registry"}),
        Named.CONFIG_MAP: frozenset({"authorities"}),
        Named.CLAIM: frozenset({"experiments"}),
    },
    images=frozenset({"ghcr.io/team/worker", "registry.example.com/team/", "tools:1"}),
    data_volume=DATA,
)
"""What the templates below are judged by; the integration test gives the chart the same."""
HARDENED: Final = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def spec(**fields: Any) -> Template:
    return {"spec": fields}


def worker(**fields: Any) -> Template:
    return spec(containers=[{"name": "worker", **fields}])


def secured(**fields: Any) -> Template:
    return worker(securityContext=fields)


def volume(**source: Any) -> Template:
    return spec(volumes=[{"name": "added", **source}])


def env(source: str, **reference: str) -> Template:
    return worker(env=[{"name": "ADDED", "valueFrom": {source: reference}}])


def projected(**source: Any) -> Template:
    return volume(projected={"sources": [source]})


def claim_template(**fields: Any) -> Template:
    size = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return volume(ephemeral={"volumeClaimTemplate": {"spec": {**size, **fields}}})


REFUSED: Final[dict[str, tuple[Template, str]]] = {
    # The form.
    "no spec": ({"spec": None}, "spec"),
    "a list as spec": ({"spec": []}, "spec"),
    "a text as spec": ({"spec": "worker"}, "spec"),
    "containers at the top": ({"containers": []}, ""),
    "a text as metadata": ({"metadata": "a"}, "metadata"),
    "labels that are null": ({"metadata": {"labels": None}}, "metadata.labels"),
    "an object as containers": (spec(containers={}), "spec.containers"),
    "containers that are null": (spec(containers=None), "spec.containers"),
    "a text as container": (spec(containers=["worker"]), "spec.containers[0]"),
    "a container named by a list": (spec(containers=[{"name": ["worker"]}]), "spec.containers[0].name"),
    "a text as env": (worker(env="A=1"), "spec.containers[0].env"),
    "an env var named by an object": (worker(env=[{"name": {}}]), "spec.containers[0].env[0].name"),
    "a mount path that is a list": (
        worker(volumeMounts=[{"mountPath": []}]),
        "spec.containers[0].volumeMounts[0].mountPath",
    ),
    "a volume named by an object": (spec(volumes=[{"name": {}}]), "spec.volumes[0].name"),
    "a text as tolerations": (spec(tolerations="all"), "spec.tolerations"),
    "a key of a toleration that is a list": (spec(tolerations=[{"key": []}]), "spec.tolerations[0].key"),
    "a grace period of null": (spec(terminationGracePeriodSeconds=None), "spec.terminationGracePeriodSeconds"),
    "a field that Pods do not have": (spec(replicas=3), "spec"),
    "a field that containers do not have": (worker(replicas=3), "spec.containers[0]"),
    # Accounts and tokens.
    "the operator's account": (spec(serviceAccountName="twin-operator"), "spec.serviceAccountName"),
    "an account that is null": (spec(serviceAccountName=None), "spec.serviceAccountName"),
    "the account by its old name": (spec(serviceAccount="twin-operator"), "spec.serviceAccount"),
    "a token of the workers' account": (
        spec(serviceAccountName="twin-operator-worker", automountServiceAccountToken=True),
        "spec.automountServiceAccountToken",
    ),
    "a projected token": (
        projected(serviceAccountToken={"path": "token"}),
        "spec.volumes[0].projected.sources[0].serviceAccountToken",
    ),
    # Secrets, ConfigMaps and claims of others.
    "a Secret as volume": (volume(secret={"secretName": "redis"}), "spec.volumes[0].secret.secretName"),
    "other keys of the installation's Secret": (
        spec(volumes=[{"name": "redis-ca", "secret": {"items": [{"key": "operator", "path": "a"}]}}]),
        "spec.volumes[0].secret",
    ),
    "a Secret in env": (
        env("secretKeyRef", name="redis", key="operator"),
        "spec.containers[0].env[0].valueFrom.secretKeyRef.name",
    ),
    "a Secret in envFrom": (
        worker(envFrom=[{"secretRef": {"name": "twin-operator-signing"}}]),
        "spec.containers[0].envFrom[0].secretRef.name",
    ),
    "a projected Secret": (projected(secret={"name": "redis"}), "spec.volumes[0].projected.sources[0].secret.name"),
    "a Secret to pull images": (spec(imagePullSecrets=[{"name": "other"}]), "spec.imagePullSecrets[0].name"),
    "a Secret of a CSI driver": (
        volume(csi={"driver": "a.b", "nodePublishSecretRef": {"name": "redis"}}),
        "spec.volumes[0].csi.nodePublishSecretRef.name",
    ),
    "a Secret of a store outside": (
        volume(csi={"driver": "secrets-store.csi.k8s.io", "volumeAttributes": {"secretProviderClass": "vault"}}),
        "spec.volumes[0].csi.volumeAttributes.secretProviderClass",
    ),
    "a ConfigMap as volume": (volume(configMap={"name": "redis"}), "spec.volumes[0].configMap.name"),
    "a ConfigMap in env": (
        env("configMapKeyRef", name="other", key="a"),
        "spec.containers[0].env[0].valueFrom.configMapKeyRef.name",
    ),
    "a ConfigMap in envFrom": (
        worker(envFrom=[{"configMapRef": {"name": "other"}}]),
        "spec.containers[0].envFrom[0].configMapRef.name",
    ),
    "a projected ConfigMap": (
        projected(configMap={"name": "other"}),
        "spec.volumes[0].projected.sources[0].configMap.name",
    ),
    "the archive's claim": (
        volume(persistentVolumeClaim={"claimName": "twin-operator-archive"}),
        "spec.volumes[0].persistentVolumeClaim.claimName",
    ),
    "a copy of the archive's claim": (
        claim_template(dataSource={"kind": "PersistentVolumeClaim", "name": "twin-operator-archive"}),
        "spec.volumes[0].ephemeral.volumeClaimTemplate.spec",
    ),
    "a volume that another claim had": (
        claim_template(volumeName="pv-1"),
        "spec.volumes[0].ephemeral.volumeClaimTemplate.spec",
    ),
    # The node.
    "a folder of the node": (volume(hostPath={"path": "/"}), "spec.volumes[0]"),
    "the installation's folder, and more": (volume(hostPath={**DATA["hostPath"], "path": "/"}), "spec.volumes[0]"),
    "an NFS volume": (volume(nfs={"server": "a", "path": "/"}), "spec.volumes[0]"),
    "an image as volume": (volume(image={"reference": "a"}), "spec.volumes[0]"),
    "the installation's data, writable": (
        spec(
            volumes=[{"name": "d", **DATA}],
            containers=[{"name": "worker", "volumeMounts": [{"name": "d", "mountPath": "/data"}]}],
        ),
        "spec.containers[0].volumeMounts[0]",
    ),
    "the node's network": (spec(hostNetwork=True), "spec.hostNetwork"),
    "the node's processes": (spec(hostPID=True), "spec.hostPID"),
    "the node's IPC": (spec(hostIPC=True), "spec.hostIPC"),
    "a port of the node": (
        worker(ports=[{"containerPort": 80, "hostPort": 80}]),
        "spec.containers[0].ports[0].hostPort",
    ),
    "a node by name": (spec(nodeName="control-plane"), "spec.nodeName"),
    "a priority of the system": (spec(priorityClassName="system-node-critical"), "spec.priorityClassName"),
    "a probe of another host": (
        worker(livenessProbe={"httpGet": {"host": "10.0.0.1", "port": 80}}),
        "spec.containers[0].livenessProbe.httpGet.host",
    ),
    "a hook that calls another host": (
        worker(lifecycle={"preStop": {"tcpSocket": {"host": "10.0.0.1", "port": 80}}}),
        "spec.containers[0].lifecycle.preStop.tcpSocket.host",
    ),
    # The security context.
    "privileged": (secured(privileged=True), "spec.containers[0].securityContext.privileged"),
    "escalation": (
        secured(allowPrivilegeEscalation=True),
        "spec.containers[0].securityContext.allowPrivilegeEscalation",
    ),
    "no word on escalation": (
        secured(allowPrivilegeEscalation=None),
        "spec.containers[0].securityContext.allowPrivilegeEscalation",
    ),
    "a security context of null": (worker(securityContext=None), "spec.containers[0].securityContext"),
    "root": (spec(securityContext={"runAsUser": 0}), "spec.securityContext.runAsUser"),
    "root in the container": (secured(runAsUser=0), "spec.containers[0].securityContext.runAsUser"),
    "maybe root": (spec(securityContext={"runAsNonRoot": False}), "spec.securityContext.runAsNonRoot"),
    "root by null": (spec(securityContext={"runAsNonRoot": None}), "spec.securityContext.runAsNonRoot"),
    "a capability": (
        secured(capabilities={"add": ["SYS_ADMIN"]}),
        "spec.containers[0].securityContext.capabilities.add[0]",
    ),
    "capabilities kept": (secured(capabilities={"drop": []}), "spec.containers[0].securityContext.capabilities.drop"),
    "seccomp off": (
        spec(securityContext={"seccompProfile": {"type": "Unconfined"}}),
        "spec.securityContext.seccompProfile.type",
    ),
    "seccomp of null": (spec(securityContext={"seccompProfile": None}), "spec.securityContext.seccompProfile"),
    "AppArmor off": (
        secured(appArmorProfile={"type": "Unconfined"}),
        "spec.containers[0].securityContext.appArmorProfile.type",
    ),
    "AppArmor off by an annotation": (
        {"metadata": {"annotations": {"container.apparmor.security.beta.kubernetes.io/worker": "unconfined"}}},
        "metadata.annotations",
    ),
    "another type of SELinux": (
        spec(securityContext={"seLinuxOptions": {"type": "spc_t"}}),
        "spec.securityContext.seLinuxOptions.type",
    ),
    "another user of SELinux": (
        secured(seLinuxOptions={"user": "root"}),
        "spec.containers[0].securityContext.seLinuxOptions.user",
    ),
    "the whole /proc": (secured(procMount="Unmasked"), "spec.containers[0].securityContext.procMount"),
    "a sysctl": (
        spec(securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}),
        "spec.securityContext.sysctls[0].name",
    ),
    "a process of a Windows host": (
        spec(securityContext={"windowsOptions": {"hostProcess": True}}),
        "spec.securityContext",
    ),
    "Windows": (spec(os={"name": "windows"}), "spec.os.name"),
    # Other containers and images.
    "an image of others": (worker(image="evil:1"), "spec.containers[0].image"),
    "a name that begins like an image": (worker(image="ghcr.io/team/worker-evil:1"), "spec.containers[0].image"),
    "a registry that is named like an image": (
        worker(image="ghcr.io/team/worker:5000/evil"),
        "spec.containers[0].image",
    ),
    "another tag": (worker(image="tools:2"), "spec.containers[0].image"),
    "another container without a word": (spec(containers=[{"name": "other"}]), "spec.containers[0]"),
    "another container that escalates": (
        spec(containers=[{"name": "other", "securityContext": {**HARDENED, "allowPrivilegeEscalation": True}}]),
        "spec.containers[0].securityContext.allowPrivilegeEscalation",
    ),
    "an init container of the worker's name": (spec(initContainers=[{"name": "worker"}]), "spec.initContainers[0]"),
    "a privileged init container": (
        spec(initContainers=[{"name": "init", "securityContext": {**HARDENED, "privileged": True}}]),
        "spec.initContainers[0].securityContext.privileged",
    ),
    "an ephemeral container": (spec(ephemeralContainers=[{"name": "debug"}]), "spec.ephemeralContainers"),
}
"""Templates by what is wrong with them, each with the path that the operator's message names."""
ACCEPTED: Final[dict[str, Template]] = {
    "nothing": {},
    "labels and annotations": {"metadata": {"labels": {"team": "a"}, "annotations": {"a/b": "c"}}},
    "resources": worker(resources={"limits": {"memory": "8Gi", "example.com/gpu": 1}}),
    "where to run": spec(
        nodeSelector={"size": "large"},
        tolerations=[{"key": "gpu", "operator": "Exists"}, {"operator": "Exists", "effect": "NoSchedule"}],
        affinity={"nodeAffinity": {}},
        priorityClassName="batch",
        runtimeClassName="gvisor",
    ),
    "said as the profile wants it": spec(
        hostNetwork=False,
        os={"name": "linux"},
        securityContext={
            "runAsNonRoot": True,
            "runAsUser": None,
            "fsGroup": 0,
            "seccompProfile": {"type": "Localhost", "localhostProfile": "a.json"},
            "sysctls": [{"name": "net.ipv4.tcp_syncookies", "value": "1"}],
            "seLinuxOptions": {"type": "container_t", "level": "s0"},
        },
        containers=[
            {
                "name": "worker",
                "image": "twin-operator:0.1.0",
                "command": ["twin-operator", "worker"],
                "ports": [{"containerPort": 8080, "hostPort": 0}],
                "securityContext": {**HARDENED, "runAsUser": 1000, "capabilities": {"add": ["NET_BIND_SERVICE"]}},
            }
        ],
    ),
    "the installation's data": spec(
        volumes=[{"name": "d", **DATA}],
        containers=[{"name": "worker", "volumeMounts": [{"name": "d", "mountPath": "/data", "readOnly": True}]}],
    ),
    "what is allowed by name": spec(
        serviceAccountName="spark",
        automountServiceAccountToken=True,
        imagePullSecrets=[{"name": "registry"}],
        volumes=[
            {"name": "a", "secret": {"secretName": "s3"}},
            {"name": "b", "configMap": {"name": "authorities"}},
            {"name": "c", "persistentVolumeClaim": {"claimName": "experiments", "readOnly": True}},
            {
                "name": "d",
                "projected": {"sources": [{"secret": {"name": "s3"}}, {"serviceAccountToken": {"path": "t"}}]},
            },
            {"name": "e", "emptyDir": {"sizeLimit": "1Gi"}},
            {"name": "f", "csi": {"driver": "a.b", "nodePublishSecretRef": {"name": "s3"}}},
        ],
        containers=[
            {
                "name": "worker",
                "image": "ghcr.io/team/worker:2",
                "envFrom": [{"secretRef": {"name": "s3"}}, {"prefix": "A_", "configMapRef": {"name": "authorities"}}],
                "env": [
                    {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s3", "key": "key"}}},
                    {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
                    {"name": "PLAIN", "value": "1"},
                ],
            }
        ],
    ),
    "a claim of its own": claim_template(),
    "other containers": spec(
        initContainers=[{"name": "init", "image": "tools:1", "securityContext": HARDENED}],
        containers=[
            {"name": "proxy", "image": "registry.example.com/team/proxy:1", "securityContext": HARDENED},
            {"name": "agent", "image": "ghcr.io/team/worker@sha256:" + "0" * 64, "securityContext": HARDENED},
        ],
    ),
}
"""Templates that keep to all rules."""
WRONG: Final[dict[type[Any], Any]] = {
    has.IsObject: "a text",
    has.IsList: "a text",
    has.IsText: 1,
    has.Absent: "a",
    has.OneOf: "something else",
    has.AtLeast: -1,
    has.OnlyKeys: {"unknown": "a"},
    has.HasKey: {},
    has.NoKeyBeginsWith: {"container.apparmor.security.beta.kubernetes.io/a": "a"},
    has.BeginsNotWith: "system-node-critical",
    has.Includes: ["a"],
    has.MayBeNamed: "foreign",
    has.MayRun: "foreign:1",
    has.TokenAllowed: True,
    has.Hardened: {"name": "other"},
    has.DataReadOnly: {"name": "d", "mountPath": "/data"},
}
"""A value that does not meet each constraint."""
COMPLETE: Final[dict[tuple[str, ...], Template]] = {
    ("spec", "containers", "[]"): {"name": "worker", "securityContext": HARDENED},
    ("spec", "initContainers", "[]"): {"name": "init", "securityContext": HARDENED},
}
"""What a container has to have, so that a template breaks one rule and no other."""


def breaking(rule: Rule) -> Template:
    """Return a template that breaks a rule."""
    steps = tuple(filter(None, rule.steps))
    template: Template = embedded(WRONG[type(rule.constraint)], steps)
    mounts = isinstance(rule.constraint, has.DataReadOnly)
    return merge_template(template, spec(volumes=[{"name": "d", **DATA}])) if mounts else template


def embedded(value: Any, steps: tuple[str, ...], reached: tuple[str, ...] = ()) -> Any:
    """Return a value below some steps of a path."""
    if not steps:
        return value
    inner = embedded(value, steps[1:], (*reached, steps[0]))
    if steps[0] != "[]":
        return {steps[0]: inner}
    base = COMPLETE.get((*reached, "[]"), {})
    return [merge_template(base, inner) if isinstance(inner, dict) and len(steps) > 1 else inner]


BREAKING: Final = {f"{rule.path} {type(rule.constraint).__name__}": breaking(rule) for rule in RULES}
"""A template for each rule."""

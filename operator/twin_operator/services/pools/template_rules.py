"""Which Pod templates a WorkerPool may have: those of the Pod Security profile `restricted` that name allowed objects.

A template is partial: what it leaves out is the operator's, which is restricted; what it says is held to the rules. The
rules are a table, from which the chart's admission policy is generated (crdgen/template_policy). Pure.

Fields of Pods are listed, rather than those that are refused: a field that a later Kubernetes adds is not let through.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from twin_operator.services.pools import template_constraints as has
from twin_operator.services.pools.template_constraints import Constraint, Named, Surroundings, TemplateAllowance
from twin_operator.services.runs.run import JSON

SHOWN: Final = 3  # violations in a message: more are found when these are gone
CONTAINERS: Final = {"spec.containers[]": (has.WORKER,), "spec.initContainers[]": ()}
"""Where containers are, with the names of those that have the operator's security context."""
POD_FIELDS: Final = (
    *("affinity", "automountServiceAccountToken", "containers", "dnsConfig", "dnsPolicy", "enableServiceLinks"),
    *("hostAliases", "hostIPC", "hostNetwork", "hostPID", "hostUsers", "hostname", "imagePullSecrets"),
    *("initContainers", "nodeSelector", "os", "overhead", "preemptionPolicy", "priorityClassName", "readinessGates"),
    *("resourceClaims", "resources", "restartPolicy", "runtimeClassName", "schedulerName", "schedulingGates"),
    *("securityContext", "serviceAccountName", "setHostnameAsFQDN", "shareProcessNamespace", "subdomain"),
    *("terminationGracePeriodSeconds", "tolerations", "topologySpreadConstraints", "volumes"),
)
POD_SECURITY_FIELDS: Final = (
    *("appArmorProfile", "fsGroup", "fsGroupChangePolicy", "runAsGroup", "runAsNonRoot", "runAsUser"),
    *("seLinuxChangePolicy", "seLinuxOptions", "seccompProfile", "supplementalGroups", "supplementalGroupsPolicy"),
    "sysctls",
)
CONTAINER_FIELDS: Final = (
    *("args", "command", "env", "envFrom", "image", "imagePullPolicy", "lifecycle", "livenessProbe", "name", "ports"),
    *("readinessProbe", "resizePolicy", "resources", "restartPolicy", "securityContext", "startupProbe"),
    *("terminationMessagePath", "terminationMessagePolicy", "volumeDevices", "volumeMounts", "workingDir"),
)
CONTAINER_SECURITY_FIELDS: Final = (
    *("allowPrivilegeEscalation", "appArmorProfile", "capabilities", "privileged", "procMount"),
    *("readOnlyRootFilesystem", "runAsGroup", "runAsNonRoot", "runAsUser", "seLinuxOptions", "seccompProfile"),
)
VOLUME_FIELDS: Final = (
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "name", "persistentVolumeClaim", "projected"),
    "secret",
)
PROJECTED_FIELDS: Final = ("clusterTrustBundle", "configMap", "downwardAPI", "secret", "serviceAccountToken")
ENV_SOURCES: Final = ("configMapKeyRef", "fieldRef", "resourceFieldRef", "secretKeyRef")
CLAIM_FIELDS: Final = ("accessModes", "resources", "storageClassName", "volumeAttributesClassName", "volumeMode")
"""Of a claim that is made with the Pod: without dataSource and volumeName, which name the data of others."""
PROFILES: Final = ("RuntimeDefault", "Localhost")
SELINUX_TYPES: Final = ("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")
SAFE_SYSCTLS: Final = (
    *("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start"),
    *("net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports"),
    *("net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl"),
    "net.ipv4.tcp_keepalive_probes",
)
NO_NODE: Final = "remove it: the scheduler chooses the node, by nodeSelector and affinity"
ROOT_USER: Final = "write a number from 1 up, or leave it out"


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        path: where the values are, below spec.template; `[]` stands for each item of a list.
        constraint: what each of them has to meet, where there is one.
        remedy: what to write instead.
    """

    path: str
    constraint: Constraint
    remedy: str

    @cached_property
    def steps(self) -> tuple[str, ...]:
        """The path as names of fields and `[]`."""
        return tuple(self.path.replace("[]", ".[]").split("."))


def _only(path: str, *names: str) -> Rule:
    return Rule(path, has.OnlyKeys(names), f"remove every field but {', '.join(sorted(names))}")


def _one_of(path: str, *values: str | int | bool) -> Rule:
    words = [str(each).lower() if isinstance(each, bool) else str(each) for each in values if each != ""]
    return Rule(path, has.OneOf(values), f"write {' or '.join(words)}" if words else "leave it out")


def _named(path: str, kind: Named) -> tuple[Rule, Rule]:
    """Return the rules of a field that names an object: without a name the installation's would be merged in."""
    owner, _, name = path.rpartition(".")
    account = "leave it out for the workers' account, or " if kind is Named.SERVICE_ACCOUNT else ""
    remedy = f"{account}write one of the chart's workerPools.allowed.{kind}, which an administrator sets"
    return Rule(owner, has.HasKey(name), f"write {name}"), Rule(path, has.MayBeNamed(kind), remedy)


def _security(path: str, *fields: str) -> tuple[Rule, ...]:
    """Return the rules that a Pod's and a container's security context have in common."""
    return (
        _only(path, *fields),
        _one_of(f"{path}.runAsNonRoot", True),
        Rule(f"{path}.runAsUser", has.AtLeast(1, nullable=True), ROOT_USER),
        _one_of(f"{path}.seccompProfile.type", *PROFILES),
        Rule(f"{path}.seccompProfile", has.HasKey("type"), "write type: RuntimeDefault"),
        _one_of(f"{path}.appArmorProfile.type", *PROFILES),
        Rule(f"{path}.appArmorProfile", has.HasKey("type"), "write type: RuntimeDefault"),
        _one_of(f"{path}.seLinuxOptions.type", *SELINUX_TYPES),
        _one_of(f"{path}.seLinuxOptions.user", ""),
        _one_of(f"{path}.seLinuxOptions.role", ""),
    )


def _container(path: str, ours: tuple[str, ...]) -> tuple[Rule, ...]:
    context = f"{path}.securityContext"
    hardened = "write securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}"
    return (
        _only(path, *CONTAINER_FIELDS),
        Rule(f"{path}.name", has.IsText(), "write a text"),
        Rule(path, has.Hardened(ours), hardened),
        Rule(
            f"{path}.image",
            has.MayRun(),
            "leave it out for the installation's image, or write one of the chart's workerPools.allowed.images",
        ),
        *_security(context, *CONTAINER_SECURITY_FIELDS),
        _one_of(f"{context}.privileged", False),
        _one_of(f"{context}.allowPrivilegeEscalation", False),
        _one_of(f"{context}.procMount", "Default"),
        _only(f"{context}.capabilities", "add", "drop"),
        _one_of(f"{context}.capabilities.add[]", "NET_BIND_SERVICE"),
        Rule(f"{context}.capabilities.drop", has.Includes("ALL"), "write [ALL]"),
        _one_of(f"{path}.ports[].hostPort", 0),
        *_env(path),
        Rule(f"{path}.volumeMounts[].mountPath", has.IsText(), "write a text"),
        Rule(f"{path}.volumeMounts[]", has.DataReadOnly(), "write readOnly: true: this is the installation's data"),
        *(
            _one_of(f"{path}.{handler}.{action}.host", "")
            for handler in (
                *("livenessProbe", "readinessProbe", "startupProbe"),
                *("lifecycle.postStart", "lifecycle.preStop"),
            )
            for action in ("httpGet", "tcpSocket")
        ),
    )


def _env(path: str) -> tuple[Rule, ...]:
    return (
        Rule(f"{path}.env[].name", has.IsText(), "write a text"),
        _only(f"{path}.env[]", "name", "value", "valueFrom"),
        _only(f"{path}.env[].valueFrom", *ENV_SOURCES),
        *_named(f"{path}.env[].valueFrom.secretKeyRef.name", Named.SECRET),
        *_named(f"{path}.env[].valueFrom.configMapKeyRef.name", Named.CONFIG_MAP),
        _only(f"{path}.envFrom[]", "prefix", "secretRef", "configMapRef"),
        *_named(f"{path}.envFrom[].secretRef.name", Named.SECRET),
        *_named(f"{path}.envFrom[].configMapRef.name", Named.CONFIG_MAP),
    )


def _volume(path: str) -> tuple[Rule, ...]:
    ephemeral = f"{path}.ephemeral.volumeClaimTemplate"
    source = f"{path}.projected.sources[]"
    return (
        _only(path, *VOLUME_FIELDS),
        Rule(f"{path}.name", has.IsText(), "write a text"),
        *_named(f"{path}.secret.secretName", Named.SECRET),
        *_named(f"{path}.configMap.name", Named.CONFIG_MAP),
        *_named(f"{path}.persistentVolumeClaim.claimName", Named.CLAIM),
        *_named(f"{path}.csi.nodePublishSecretRef.name", Named.SECRET),
        # A SecretProviderClass stands for Secrets of a store outside the cluster.
        _named(f"{path}.csi.volumeAttributes.secretProviderClass", Named.SECRET)[1],
        _only(f"{ephemeral}.spec", *CLAIM_FIELDS),
        _only(source, *PROJECTED_FIELDS),
        *_named(f"{source}.secret.name", Named.SECRET),
        *_named(f"{source}.configMap.name", Named.CONFIG_MAP),
        Rule(f"{source}.serviceAccountToken", has.TokenAllowed(), _TOKEN),
    )


_TOKEN: Final = "leave it out, or write a serviceAccountName of the chart's workerPools.allowed.serviceAccounts"  # noqa: S105
_POD: Final = (
    _only("", "metadata", "spec"),
    _only("metadata", "annotations", "labels"),
    Rule("metadata.labels", has.IsObject(), "write an object"),
    Rule(
        "metadata.annotations",
        has.NoKeyBeginsWith("container.apparmor.security.beta.kubernetes.io/"),
        "write securityContext.appArmorProfile instead of an annotation of AppArmor",
    ),
    _one_of("spec.hostNetwork", False),
    _one_of("spec.hostPID", False),
    _one_of("spec.hostIPC", False),
    Rule("spec.nodeName", has.Absent(), NO_NODE),
    Rule("spec.serviceAccount", has.Absent(), "remove it, and write serviceAccountName"),
    Rule("spec.ephemeralContainers", has.Absent(), "remove it: kubectl debug adds such containers to a Pod"),
    _only("spec", *POD_FIELDS),
    _named("spec.serviceAccountName", Named.SERVICE_ACCOUNT)[1],
    Rule("spec.automountServiceAccountToken", has.TokenAllowed(), _TOKEN),
    Rule("spec.priorityClassName", has.BeginsNotWith("system-"), "write a PriorityClass of your own, or leave it out"),
    _one_of("spec.os.name", "linux"),
    Rule("spec.terminationGracePeriodSeconds", has.AtLeast(0), "write a number of seconds from 0 up"),
    Rule("spec.tolerations[].key", has.IsText(), "write a text"),
    *_named("spec.imagePullSecrets[].name", Named.SECRET),
    *_security("spec.securityContext", *POD_SECURITY_FIELDS),
    _one_of("spec.securityContext.sysctls[].name", *SAFE_SYSCTLS),
)


def _structure(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """Return the rules of what the paths of others go through: objects and lists, in the order of their depth.

    None of them may be null: that would take away what the operator puts there.
    """
    nodes = {rule.steps[:depth]: rule.steps[depth] for rule in rules for depth in range(1, len(rule.steps))}
    return tuple(
        Rule(".".join(node).replace(".[]", "[]"), has.IsList(), "write a list, or leave it out")
        if follower == "[]"
        else Rule(".".join(node).replace(".[]", "[]"), has.IsObject(), "write an object, or leave it out")
        for node, follower in sorted(nodes.items(), key=lambda each: len(each[0]))
        if node != ("",)
    )


_STATED: Final = (
    *_POD,
    *(rule for path, ours in CONTAINERS.items() for rule in _container(path, ours)),
    *_volume("spec.volumes[]"),
)
STRUCTURE: Final = _structure(_STATED)
RULES: Final = (*STRUCTURE, *_STATED)
"""Every rule; those of the structure first, which say why the others do not apply."""


def violations(template: JSON, allowance: TemplateAllowance) -> tuple[str, ...]:
    """Return what is wrong with a pool's template: sentences that begin with the path of the field.

    Args:
        template: `spec.template` of a WorkerPool.
        allowance: what the installation allows.
    """
    around = _surroundings(template, allowance)
    judged = _without_data(template, allowance)
    found = [
        f"{path}: {rule.remedy}."
        for rule in RULES
        for path, value in _values(judged, rule.steps, "spec.template")
        if not rule.constraint.holds(value, around)
    ]
    return tuple(dict.fromkeys(found))


def template_problem(template: JSON, allowance: TemplateAllowance) -> str | None:
    """Return the message about a template that breaks the rules, or None."""
    found = violations(template, allowance)
    more = f" And {len(found) - SHOWN} more." if len(found) > SHOWN else ""
    return f"The template breaks the rules for Pods of workers. {' '.join(found[:SHOWN])}{more}" if found else None


def _values(value: object, steps: tuple[str, ...], path: str) -> Iterator[tuple[str, object]]:
    """Yield the values at a path, each with its own path."""
    if not steps or steps == ("",):
        yield path, value
    elif steps[0] == "[]" and isinstance(value, list):
        for number, item in enumerate(value):
            yield from _values(item, steps[1:], f"{path}[{number}]")
    elif isinstance(value, dict) and steps[0] in value:
        yield from _values(value[steps[0]], steps[1:], f"{path}.{steps[0]}")


def _surroundings(template: JSON, allowance: TemplateAllowance) -> Surroundings:
    accounts = [value for _, value in _values(template, ("spec", "serviceAccountName"), "")]
    listed = allowance.names.get(Named.SERVICE_ACCOUNT, frozenset())
    token = any(isinstance(each, str) and each in listed for each in accounts)
    volumes = [value for _, value in _values(template, ("spec", "volumes", "[]"), "")]
    data = {str(volume.get("name")) for volume in volumes if isinstance(volume, dict) and allowance.is_data(volume)}
    return Surroundings(allowance, token, frozenset(data if allowance.data_read_only else ()))


def _without_data(template: JSON, allowance: TemplateAllowance) -> JSON:
    """Return the template with an empty object in the place of the installation's data volume, which is allowed."""
    spec = template.get("spec")
    volumes = spec.get("volumes") if isinstance(spec, dict) else None
    if not isinstance(spec, dict) or not isinstance(volumes, list):
        return template
    others = [{} if allowance.is_data(volume) else volume for volume in volumes]
    return {**template, "spec": {**spec, "volumes": others}}

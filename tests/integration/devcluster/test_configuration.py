"""What a container is given: environment, volumes, and an identity that the API server believes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.integration.devcluster.conftest import Workbench

VARIABLES: list[tuple[dict[str, Any], str | None]] = [
    ({"value": "$(GREETING), $(NAME)$(UNKNOWN) for $$5"}, "hello, expanded$(UNKNOWN) for $5"),
    ({"valueFrom": {"configMapKeyRef": {"name": "settings", "key": "colour"}}}, "blue"),
    ({"valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}}, "s3cret"),
    ({"valueFrom": {"configMapKeyRef": {"name": "nobody", "key": "colour", "optional": True}}}, None),
    ({"valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}, "expanded"),
    ({"valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['team']"}}}, "blue-team"),
    ({"valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}, "devcluster"),
    ({"valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}}, "512"),
]


@pytest.fixture
def settings(bench: Workbench) -> None:
    bench.apply("v1", "ConfigMap", "settings", data={"colour": "blue", "app.conf": "size=1"})
    bench.apply("v1", "Secret", "keys", stringData={"token": "s3cret"})


@pytest.mark.usefixtures("settings")
def test_the_environment_is_resolved_and_expanded(bench: Workbench) -> None:
    named: list[dict[str, Any]] = [{"name": "GREETING", "value": "hello"}, {"name": "NAME", "value": "expanded"}]
    named += [{"name": f"V{number}", **variable} for number, (variable, _) in enumerate(VARIABLES)]
    main = {
        "name": "main",
        "image": "host",
        "command": ["python3", "-c", "import json, os; print(json.dumps(dict(os.environ)))"],
        "env": named,
        "envFrom": [{"prefix": "ALL_", "configMapRef": {"name": "settings"}}],
        "resources": {"limits": {"memory": "512Mi"}},
    }
    metadata = {"name": "expanded", "namespace": bench.namespace, "labels": {"team": "blue-team"}}
    spec = {"restartPolicy": "Never", "containers": [main]}
    bench.kube.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    environment = json.loads(bench.output("expanded"))
    assert [environment.get(f"V{number}") for number in range(len(VARIABLES))] == [value for _, value in VARIABLES]
    assert environment["ALL_colour"] == "blue"


def test_a_container_waits_for_what_it_refers_to_and_says_so(bench: Workbench) -> None:
    variable = {"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "late", "key": "colour"}}}
    bench.create("patient", "echo $COLOUR", {"env": [variable]})
    status = bench.until(
        "patient", lambda s: s["state"].get("waiting", {}).get("reason") == "CreateContainerConfigError"
    )
    assert 'configmap "late" not found' in status["state"]["waiting"]["message"]
    bench.apply("v1", "ConfigMap", "late", data={"colour": "green"})
    assert bench.output("patient") == "green\n"


@pytest.mark.usefixtures("settings")
def test_volumes_are_at_their_paths_and_read_only_where_they_should_be(bench: Workbench) -> None:
    volumes = [
        {"name": "config", "configMap": {"name": "settings"}},
        {"name": "secret", "secret": {"secretName": "keys", "items": [{"key": "token", "path": "deep/token"}]}},
        {"name": "self", "downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
        {"name": "scratch", "emptyDir": {}},
    ]
    mounts = [
        {"name": "config", "mountPath": "/etc/absent/folder"},
        {"name": "config", "mountPath": "/etc/app.conf", "subPath": "app.conf"},
        {"name": "secret", "mountPath": "/keys", "readOnly": True},
        {"name": "self", "mountPath": "/self"},
        {"name": "scratch", "mountPath": "/tmp"},  # noqa: S108 - the very folder that Pods often cover
        {"name": "scratch", "mountPath": "/data", "subPath": "inner"},
        {"name": "scratch", "mountPath": "/frozen", "readOnly": True},
    ]
    script = """
        cat /etc/absent/folder/colour /etc/app.conf /keys/deep/token /self/name; echo
        echo kept > /data/file && cat /tmp/inner/file
        touch /frozen/file 2> /dev/null || echo frozen; touch /keys/file 2> /dev/null || echo sealed
        ls /tmp
    """
    bench.create("volumes", script, {"volumeMounts": mounts, "workingDir": "/data"}, volumes=volumes)
    assert bench.output("volumes").split() == ["bluesize=1s3cretvolumes", "kept", "frozen", "sealed", "inner"]


def test_a_volume_of_a_kind_that_is_not_emulated_is_said_to_be(bench: Workbench) -> None:
    volume = {"name": "share", "nfs": {"server": "nfs.example", "path": "/"}}
    bench.create("mounter", "true", {"volumeMounts": [{"name": "share", "mountPath": "/share"}]}, volumes=[volume])
    bench.kube.until(lambda: "does not emulate nfs" in bench.kubectl("events", "--for", "pod/mounter"))


def test_the_service_account_has_the_rights_that_rbac_gives_it_and_no_more(bench: Workbench) -> None:
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}]
    bench.apply("v1", "ServiceAccount", "reader")
    bench.apply("rbac.authorization.k8s.io/v1", "Role", "reader", rules=rules)
    bench.kubectl("create", "rolebinding", "reader", "--role=reader", f"--serviceaccount={bench.namespace}:reader")
    kubectl = bench.kube.cluster.kubectl
    script = f"{kubectl} get configmaps -o name; {kubectl} get secrets 2>&1; {kubectl} auth whoami -o name 2>&1"
    bench.create("reader", script, serviceAccountName="reader")
    output = bench.output("reader")
    assert "configmap/kube-root-ca.crt" in output
    assert f'User "system:serviceaccount:{bench.namespace}:reader" cannot list resource "secrets"' in output

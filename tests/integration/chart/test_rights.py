"""What the chart's accounts and roles may do, asked of a real API server's authorizer."""

from __future__ import annotations

import json

import pytest

from tests.integration.conftest import Kube

EVERYWHERE = ""
HERE = "rights"
ELSEWHERE = "default"
TWINS = "twinops.dev"
ROLES = {
    "vera": "twin-viewer",
    "ed": "twin-editor",
    "ann": "twin-approver",
    "paul": "twin-pool-editor",
    "vincent": "view",
    "emma": "edit",
    "adam": "admin",
}
OURS = ("twin-viewer", "twin-editor", "twin-approver", "twin-pool-editor", "twin-operator-twins", "twin-operator-pools")


def may(kube: Kube, user: str, question: str, namespace: str) -> bool:
    """Ask whether a user may `VERB GROUP/RESOURCE[/SUBRESOURCE][=NAME]`; the core group is `core`."""
    verb, what = question.split()
    path, _, name = what.partition("=")
    group, resource, *subresource = path.split("/")
    attributes = {
        "verb": verb,
        "group": "" if group == "core" else group,
        "resource": resource,
        "subresource": "".join(subresource),
        "name": name,
        "namespace": namespace,
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "resourceAttributes": attributes},
    }
    _, content = kube.requests.send("", "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    return bool(json.loads(content)["status"]["allowed"])


@pytest.mark.parametrize(
    ("question", "namespace"),
    [
        *(
            (f"{verb} {TWINS}/{kind}", EVERYWHERE)
            for kind in ("twinmodels", "simulations")
            for verb in ("list", "watch")
        ),
        (f"patch {TWINS}/simulations/status", EVERYWHERE),
        (f"patch {TWINS}/workerpools/status", EVERYWHERE),
        (f"get {TWINS}/workerpools", EVERYWHERE),
        (f"delete {TWINS}/simulations", EVERYWHERE),
        (f"create {TWINS}/retrainingjobs", EVERYWHERE),
        (f"delete {TWINS}/retrainingjobs", EVERYWHERE),
        (f"patch {TWINS}/retrainingjobs/status", EVERYWHERE),
        ("get core/namespaces=kube-system", EVERYWHERE),
        ("create events.k8s.io/events", EVERYWHERE),
        ("create apps/deployments", HERE),
        ("watch apps/deployments", HERE),
        ("list apps/replicasets", HERE),
        ("list core/pods", HERE),
        ("patch core/pods", HERE),
        ("create coordination.k8s.io/leases", HERE),
        ("update coordination.k8s.io/leases=twin-operator", HERE),
    ],
)
def test_the_operator_may_do_its_work(kube: Kube, release: str, question: str, namespace: str) -> None:
    assert may(kube, f"system:serviceaccount:{release}:twin-operator", question, namespace)


@pytest.mark.parametrize(
    ("question", "namespace"),
    [
        (f"patch {TWINS}/simulations", HERE),
        (f"create {TWINS}/twinmodels", HERE),
        (f"update {TWINS}/twinmodels", HERE),
        (f"delete {TWINS}/twinmodels", HERE),
        (f"approve {TWINS}/twinmodels", HERE),
        (f"approve {TWINS}/retrainingjobs", HERE),
        (f"update {TWINS}/retrainingjobs", HERE),
        (f"patch {TWINS}/retrainingjobs", HERE),
        (f"deletecollection {TWINS}/retrainingjobs", HERE),
        ("create apps/deployments", ELSEWHERE),
        ("list apps/deployments", ELSEWHERE),
        ("watch apps/deployments", EVERYWHERE),
        ("list apps/replicasets", ELSEWHERE),
        ("patch apps/replicasets", HERE),
        ("delete core/pods", HERE),
        ("create core/pods/eviction", HERE),
        ("list core/pods", ELSEWHERE),
        ("patch core/pods", ELSEWHERE),
        ("create core/pods", HERE),
        ("get core/secrets", HERE),
        ("get core/configmaps", HERE),
        ("get core/pods", HERE),
        ("delete apps/deployments", HERE),
        ("get core/namespaces=other", EVERYWHERE),
        ("get apiextensions.k8s.io/customresourcedefinitions", EVERYWHERE),
        ("create coordination.k8s.io/leases", ELSEWHERE),
        ("update coordination.k8s.io/leases=other", HERE),
        ("update core/namespaces", EVERYWHERE),
        ("create apiextensions.k8s.io/customresourcedefinitions", EVERYWHERE),
        ("create rbac.authorization.k8s.io/rolebindings", HERE),
    ],
)
def test_the_operator_may_do_nothing_else(kube: Kube, release: str, question: str, namespace: str) -> None:
    assert not may(kube, f"system:serviceaccount:{release}:twin-operator", question, namespace)


@pytest.mark.parametrize(
    "question", [f"get {TWINS}/simulations", f"patch {TWINS}/simulations/status", "get core/pods", "get core/secrets"]
)
def test_a_worker_may_do_nothing_at_all(kube: Kube, release: str, question: str) -> None:
    assert not may(kube, f"system:serviceaccount:{release}:twin-operator-worker", question, HERE)


@pytest.mark.parametrize(
    ("question", "namespace", "allowed"),
    [
        ("create core/secrets", HERE, True),
        ("get core/secrets=twin-operator-signing", HERE, True),
        ("get core/secrets=another", HERE, False),
        ("get core/secrets", HERE, False),
        ("list core/secrets", HERE, False),
        ("watch core/secrets", HERE, False),
        ("patch core/secrets=twin-operator-signing", HERE, False),
        ("update core/secrets=twin-operator-signing", HERE, False),
        ("delete core/secrets=twin-operator-signing", HERE, False),
        ("create core/secrets", ELSEWHERE, False),
        ("get core/secrets=twin-operator-signing", ELSEWHERE, False),
        ("create core/pods", HERE, False),
        ("create core/serviceaccounts/token", HERE, False),
    ],
)
def test_the_job_creates_secrets_and_reads_its_own(
    kube: Kube, release: str, question: str, namespace: str, *, allowed: bool
) -> None:
    assert may(kube, f"system:serviceaccount:{release}:twin-operator-secrets", question, namespace) is allowed


@pytest.fixture(scope="module")
def people(kube: Kube, release: str) -> None:
    """Users who hold a role in the release's namespace."""
    for user, role in ROLES.items():
        kube.kubectl("create", "rolebinding", user, f"--clusterrole={role}", f"--user={user}", "-n", release)
    # Aggregation is the work of a controller, which may be a moment behind.
    for user, question in (("vincent", "list"), ("emma", "create"), ("adam", "approve")):
        kube.until(lambda u=user, q=question: may(kube, u, f"{q} {TWINS}/twinmodels", HERE))  # type: ignore[misc]


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("user", "question", "allowed"),
    [
        ("vera", f"watch {TWINS}/simulations", True),
        ("vera", f"create {TWINS}/simulations", False),
        ("vera", "get core/pods", False),
        ("ed", f"create {TWINS}/twinmodels", True),
        ("ed", f"deletecollection {TWINS}/simulations", True),
        ("ed", f"get {TWINS}/workerpools/scale", True),
        ("ed", f"patch {TWINS}/workerpools/scale", False),
        ("ed", f"create {TWINS}/workerpools", False),
        ("emma", f"create {TWINS}/workerpools", False),
        ("emma", f"patch {TWINS}/workerpools/scale", False),
        ("paul", f"create {TWINS}/workerpools", True),
        ("paul", f"patch {TWINS}/workerpools/scale", True),
        ("paul", f"create {TWINS}/simulations", False),
        ("adam", f"create {TWINS}/workerpools", True),
        ("ed", f"patch {TWINS}/simulations/status", False),
        ("ed", f"approve {TWINS}/retrainingjobs", False),
        ("ann", f"approve {TWINS}/retrainingjobs", True),
        ("ann", f"approve {TWINS}/twinmodels", True),
        ("ann", f"create {TWINS}/retrainingjobs", True),
        ("ann", f"patch {TWINS}/twinmodels", True),
        ("ann", f"create {TWINS}/twinmodels", False),
        ("ann", f"delete {TWINS}/retrainingjobs", False),
        ("ann", f"patch {TWINS}/retrainingjobs/status", False),
        ("ann", f"approve {TWINS}/simulations", False),
        ("vincent", f"list {TWINS}/twinmodels", True),
        ("vincent", f"create {TWINS}/twinmodels", False),
        ("emma", f"create {TWINS}/simulations", True),
        ("emma", f"update {TWINS}/twinmodels/status", False),
        ("emma", f"approve {TWINS}/retrainingjobs", False),
        ("adam", f"approve {TWINS}/retrainingjobs", True),
        ("adam", f"approve {TWINS}/twinmodels", True),
        ("adam", f"patch {TWINS}/retrainingjobs/status", False),
    ],
)
def test_people_may_do_what_their_role_says(kube: Kube, user: str, question: str, *, allowed: bool) -> None:
    assert may(kube, user, question, HERE) is allowed


@pytest.mark.usefixtures("release")
def test_no_role_says_everything_and_approve_is_the_approvers_alone(kube: Kube) -> None:
    rules = {role: kube.get("clusterrole", role)["rules"] for role in OURS}
    verbs = {role: {verb for rule in given for verb in rule["verbs"]} for role, given in rules.items()}
    assert "*" not in set().union(*verbs.values())
    assert [role for role in OURS if "approve" in verbs[role]] == ["twin-approver"]


@pytest.mark.usefixtures("release")
@pytest.mark.parametrize("role", ["twin-approver", "twin-pool-editor"])
def test_only_the_role_admin_takes_in_approvers_and_pool_editors(kube: Kube, role: str) -> None:
    labels = kube.get("clusterrole", role)["metadata"]["labels"]
    assert [name for name in labels if "aggregate" in name] == ["rbac.authorization.k8s.io/aggregate-to-admin"]

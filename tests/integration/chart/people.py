"""People and accounts with a role each, who ask the API server in their own name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from tests.integration.api_requests import DRY_RUN, PLURALS, collection
from tests.integration.conftest import Kube

Manifest = dict[str, Any]

APPROVE_NAMED: Final = "approve-named"
ROLES: Final = {
    "vera": "twin-viewer",
    "ed": "twin-editor",
    "ann": "twin-approver",
    "paul": "twin-pool-editor",
    "emma": "edit",
    "adam": "admin",
    "nell": APPROVE_NAMED,
}
"""Who holds which ClusterRole; nell's lets her approve the object `named` alone."""
DRY = DRY_RUN
KUBECTL_DRY = "--dry-run=server"
WRITING = "fieldValidation=Strict&fieldManager=people"
MODEL_SPEC: Final = {
    "data": {"uri": "file:///data/spring.csv"},
    "columns": {
        "features": [{"name": "recency", "type": "Numeric"}],
        "treatment": {"name": "segment", "control": "None"},
        "outcome": {"name": "visit", "type": "Binary", "better": "Higher"},
    },
}


def resource(kind: str, name: str, spec: Manifest, **metadata: Any) -> Manifest:
    """Return a resource; a name that ends in `-` is one to be completed by the server."""
    naming = {"generateName" if name.endswith("-") else "name": name}
    metadata = {**naming, **metadata}
    return {"apiVersion": "twinops.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


def job(name: str = "plain", **spec: Any) -> Manifest:
    """Return a RetrainingJob."""
    return resource("RetrainingJob", name, {"modelRef": {"name": "spring"}, **spec})


def model(name: str = "plain", *, annotations: Manifest | None = None, **spec: Any) -> Manifest:
    """Return a TwinModel."""
    return resource("TwinModel", name, {**MODEL_SPEC, **spec}, **({"annotations": annotations} if annotations else {}))


@dataclass
class People:
    """Asks as one of them; the empty name is the cluster's administrator, who may do anything RBAC knows.

    Args:
        kube: the cluster.
        namespace: where they hold their roles.
    """

    kube: Kube
    namespace: str

    @property
    def doomed(self) -> str:
        """A second namespace where the policies hold, to be deleted."""
        return f"{self.namespace}-doomed"

    @property
    def operator(self) -> str:
        """The user name of the operator's service account."""
        return f"system:serviceaccount:{self.namespace}:twin-operator"

    def run(self, user: str, *arguments: str, input: str | None = None) -> str:  # noqa: A002 - as subprocess
        """Run kubectl as a user."""
        impersonation = ("--as", user) if user else ()
        return self.kube.kubectl(*impersonation, "-n", self.namespace, *arguments, input=input)

    def refusal(self, user: str, *arguments: str, manifest: Manifest | None = None) -> str:
        """Return what kubectl says when a user is refused; empty where the command is carried out."""
        try:
            self.run(user, *arguments, input=None if manifest is None else json.dumps(manifest))
        except AssertionError as refusal:
            return str(refusal)
        return ""

    def create(self, user: str, manifest: Manifest, *query: str, namespace: str = "") -> str:
        """Create an object, and return the message with which that is refused."""
        path = collection(namespace or self.namespace, manifest["kind"])
        return self.kube.requests.refusal(user, "POST", f"{path}?{'&'.join([WRITING, *query])}", manifest)

    def change(self, user: str, what: str, patch: Manifest, *query: str, namespace: str = "") -> str:
        """Merge a patch into KIND/NAME or KIND/NAME/SUBRESOURCE; return the message with which that is refused."""
        kind, _, rest = what.partition("/")
        path = f"{collection(namespace or self.namespace, kind)}/{rest}"
        return self.kube.requests.refusal(user, "PATCH", f"{path}?{'&'.join([WRITING, *query])}", patch)

    def serve(self, name: str, namespace: str = "") -> None:
        """Let a TwinModel serve version 3, as the operator does."""
        status = {"status": {"phase": "Ready", "model": {"version": "3"}}}
        assert not self.change(self.operator, f"TwinModel/{name}/status", status, namespace=namespace)

    def arrive(self) -> None:
        """Bind the roles, and wait until roles are aggregated and both policies refuse something."""
        bindings = [self._binding(user, "ClusterRole", role) for user, role in ROLES.items() if role != APPROVE_NAMED]
        named = [self._binding("nell", "Role", APPROVE_NAMED), self._binding("nell", "ClusterRole", "twin-editor")]
        self.kube.apply(self._approve_named(), *bindings, *named)
        for user, question in (("emma", "create"), ("adam", "approve")):
            self.kube.until(lambda u=user, q=question: self._may(u, q))  # type: ignore[misc]
        self.kube.until(lambda: "denied" in self.create("ed", job(overrideCooldown=True), DRY))
        self.kube.until(lambda: "denied" in self.create("ed", model(version="1"), DRY))

    def _approve_named(self) -> Manifest:
        """Return the Role that lets its subjects approve the objects `named`."""
        resources = [PLURALS[kind] for kind in ("RetrainingJob", "TwinModel")]
        rule = {"apiGroups": ["twinops.dev"], "resources": resources, "resourceNames": ["named"]}
        return {
            **self._rbac("Role", APPROVE_NAMED),
            "rules": [{**rule, "verbs": ["approve", "patch", "update"]}],
        }

    def _binding(self, user: str, kind: str, role: str) -> Manifest:
        group = "rbac.authorization.k8s.io"
        return {
            **self._rbac("RoleBinding", f"{user}-{role}"),
            "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
            "roleRef": {"apiGroup": group, "kind": kind, "name": role},
        }

    def _rbac(self, kind: str, name: str) -> Manifest:
        metadata = {"name": name, "namespace": self.namespace}
        return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata}

    def _may(self, user: str, verb: str) -> bool:
        return not self.refusal(user, "auth", "can-i", verb, "retrainingjobs.twinops.dev")

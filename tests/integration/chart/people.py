"""People and accounts with a role each, who ask the API server in their own name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from tests.integration.conftest import Kube

Manifest = dict[str, Any]

ROLES: Final = {
    "vera": "twin-viewer",
    "ed": "twin-editor",
    "ann": "twin-approver",
    "emma": "edit",
    "adam": "admin",
    "nell": "approve-named",
}
"""Who holds which ClusterRole; nell's lets her approve the object `named` alone."""
DRY = "--dry-run=server"
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
        """Return with which sentence a user is refused; empty where it is taken."""
        try:
            self.run(user, *arguments, input=None if manifest is None else json.dumps(manifest))
        except AssertionError as refusal:
            return str(refusal)
        return ""

    def create(self, user: str, manifest: Manifest, *how: str) -> str:
        """Create an object, and return with which sentence that is refused."""
        return self.refusal(user, "create", "-f", "-", *how, manifest=manifest)

    def change(self, user: str, what: str, patch: Manifest, *how: str) -> str:
        """Merge a patch into KIND/NAME, and return with which sentence that is refused."""
        return self.refusal(user, "patch", what, "--type=merge", "-p", json.dumps(patch), *how)

    def serve(self, name: str, *where: str) -> None:
        """Let a TwinModel serve version 3, as the operator does."""
        status = {"status": {"phase": "Ready", "model": {"version": "3"}}}
        assert not self.change(self.operator, f"twinmodel/{name}", status, "--subresource=status", *where)

    def arrive(self) -> None:
        """Bind the roles, and wait until roles are aggregated and both policies refuse something."""
        named = ("--resource=retrainingjobs.twinops.dev,twinmodels.twinops.dev", "--resource-name=named")
        self.run("", "create", "role", "approve-named", "--verb=approve,patch,update", *named)
        for user, role in ROLES.items():
            kind = "--role" if role == "approve-named" else "--clusterrole"
            self.run("", "create", "rolebinding", user, f"{kind}={role}", f"--user={user}")
        self.run("", "create", "rolebinding", "nell-edits", "--clusterrole=twin-editor", "--user=nell")
        for namespace in (self.namespace, self.doomed):
            self._let_kubectl_look(namespace)
        for user, question in (("emma", "create"), ("adam", "approve")):
            self.kube.until(lambda u=user, q=question: self._may(u, q))  # type: ignore[misc]
        self.kube.until(lambda: "denied" in self.create("ed", job(overrideCooldown=True), DRY))
        self.kube.until(lambda: "denied" in self.create("ed", model(version="1"), DRY))

    def _let_kubectl_look(self, namespace: str) -> None:
        """Let kubectl, in the operator's name, read what it is about to patch; the operator itself does not."""
        statuses = "twinmodels.twinops.dev/status,retrainingjobs.twinops.dev/status"
        where = ("-n", namespace)
        self.run("", "create", "role", "kubectl", "--verb=get", f"--resource={statuses}", *where)
        self.run("", "create", "rolebinding", "kubectl", "--role=kubectl", f"--user={self.operator}", *where)

    def _may(self, user: str, verb: str) -> bool:
        return not self.refusal(user, "auth", "can-i", verb, "retrainingjobs.twinops.dev")

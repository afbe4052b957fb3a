"""The table of rights in docs/security.md, each cell requested from a real API server in the user's own name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import pytest
from kubernetes.client import ApiClient
from kubernetes.config import new_client_from_config

from tests.integration.chart.people import DRY, People, job, model, resource
from tests.integration.conftest import Kube

PAGE: Final = Path(__file__).parents[3] / "docs" / "security.md"
USERS: Final = {"viewer": "vera", "editor": "ed", "approver": "ann", "admin": "adam"}
PLURALS: Final = {
    "TwinModel": "twinmodels",
    "Simulation": "simulations",
    "RetrainingJob": "retrainingjobs",
    "WorkerPool": "workerpools",
}
HARMLESS: Final = {"metadata": {"annotations": {"tried": "yes"}}}
DRY_RUN: Final = "dryRun=All"

Cell = tuple[str, str, str]
"""Kind, verb and role."""


def objects() -> dict[str, dict[str, Any]]:
    """Return an object of each kind, by kind."""
    simulation = {"modelRef": {"name": "spring"}, "intervention": {"arm": "Mail"}}
    return {
        "TwinModel": model("tried"),
        "Simulation": resource("Simulation", "tried", simulation),
        "RetrainingJob": job("tried"),
        "WorkerPool": resource("WorkerPool", "tried", {"queues": ["tried"]}),
    }


def table() -> dict[Cell, bool]:
    """Return the table of the page: whether a role may, by kind, verb and role."""
    rows = re.findall(r"^\| `(\w+)` \| (`[\w ,`]+`) \|((?: (?:yes|no) \|)+)$", PAGE.read_text(), re.MULTILINE)
    return {
        (kind, verb, role): cell.strip() == "yes"
        for kind, verbs, cells in rows
        for verb in re.findall(r"`([\w ]+)`", verbs)
        for role, cell in zip(USERS, cells.removesuffix("|").split("|"), strict=True)
    }


TABLE: Final = table()


def approval(kind: str, user: str) -> dict[str, Any]:
    """Return a change that the policies take from those who may `approve`."""
    if kind == "RetrainingJob":
        return {"spec": {"approval": {"approved": True, "by": user}}}
    return {"spec": {"retraining": {"approval": "Automatic"}}}


@dataclass(frozen=True)
class Requests:
    """Makes requests in the name of others; nothing is stored.

    Args:
        client: the cluster administrator's, who may impersonate.
        namespace: where the objects are.
    """

    client: ApiClient
    namespace: str

    def allowed(self, user: str, kind: str, verb: str) -> bool:
        """Whether the API server carries out `verb` on the object of `kind`; it must refuse it with 403 otherwise."""
        status, content = self._send(user, *self._request(user, kind, verb))
        assert status < HTTPStatus.MULTIPLE_CHOICES or status == HTTPStatus.FORBIDDEN, content
        return status != HTTPStatus.FORBIDDEN

    def _request(self, user: str, kind: str, verb: str) -> tuple[str, str, Any]:
        """Return method, path and body of the request that a verb stands for."""
        collection = f"/apis/twinops.dev/v1alpha1/namespaces/{self.namespace}/{PLURALS[kind]}"
        one, dry = f"{collection}/tried", f"?{DRY_RUN}"
        manifest = objects()[kind]
        match verb.split():
            case ["get", subresource]:
                return "GET", f"{one}/{subresource}", None
            case ["patch", "status"]:
                return "PATCH", f"{one}/status{dry}", {"status": {"phase": "Pending"}}
            case ["patch", "scale"]:
                return "PATCH", f"{one}/scale{dry}", {"spec": {"replicas": 2}}
            case ["update"]:
                return "PUT", one + dry, manifest | {"metadata": self._metadata(one)}
            case ["create"]:
                return "POST", collection + dry, manifest | {"metadata": {"generateName": "new-"}}
            case [single]:
                return {
                    "get": ("GET", one, None),
                    "list": ("GET", collection, None),
                    "watch": ("GET", f"{collection}?watch=true&timeoutSeconds=1", None),
                    "patch": ("PATCH", one + dry, HARMLESS),
                    "approve": ("PATCH", one + dry, approval(kind, user)),
                    "delete": ("DELETE", one + dry, None),
                    "deletecollection": ("DELETE", collection + dry, None),
                }[single]
        raise ValueError(verb)

    def _metadata(self, one: str) -> Any:
        return json.loads(self._send("", "GET", one, None)[1])["metadata"]

    def _send(self, user: str, method: str, path: str, body: Any) -> tuple[int, bytes]:
        """Return status and content of the answer; the empty user is the administrator."""
        merge = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Content-Type": merge, **({"Impersonate-User": user} if user else {})}
        url = self.client.configuration.host + path
        answer = self.client.rest_client.request(method, url, headers=headers, body=body)  # type: ignore[no-untyped-call]
        return int(answer.status), bytes(answer.read())


@pytest.fixture(scope="module")
def places(kube: Kube, people: People) -> Iterator[dict[str, Requests]]:
    """Where the objects are: in the namespace where people hold their roles, and in another."""
    client = new_client_from_config(config_file=str(kube.kubeconfig))  # type: ignore[no-untyped-call]
    for namespace in (people.namespace, people.doomed):
        for manifest in objects().values():
            people.run("", "create", "-f", "-", "-n", namespace, input=json.dumps(manifest))
    kube.until(lambda: not people.create("adam", model(version="1"), DRY))
    yield {"own": Requests(client, people.namespace), "another": Requests(client, people.doomed)}
    client.close()


def test_the_table_has_every_kind_verb_and_role() -> None:
    plain = {"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"} | {
        "get status",
        "patch status",
    }
    own = {"TwinModel": {"approve"}, "RetrainingJob": {"approve"}, "WorkerPool": {"get scale", "patch scale"}}
    wanted = {(kind, verb) for kind in PLURALS for verb in plain | own.get(kind, set())}
    assert {(kind, verb) for kind, verb, _ in TABLE} == wanted
    assert any(TABLE.values())


@pytest.mark.parametrize("role", USERS)
@pytest.mark.parametrize("kind", PLURALS)
def test_a_user_may_do_what_the_table_says(places: dict[str, Requests], kind: str, role: str) -> None:
    expected = {verb: may for (of, verb, who), may in TABLE.items() if (of, who) == (kind, role)}
    found = {verb: places["own"].allowed(USERS[role], kind, verb) for verb in expected}
    assert found == expected


@pytest.mark.parametrize("role", USERS)
def test_a_user_may_do_nothing_in_another_namespace(places: dict[str, Requests], role: str) -> None:
    cells = {(kind, verb) for kind, verb, _ in TABLE}
    assert [cell for cell in cells if places["another"].allowed(USERS[role], *cell)] == []

"""The table of rights in docs/security.md, each cell requested from a real API server in the user's own name."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import pytest

from tests.integration.api_requests import DRY_RUN, PLURALS, ApiRequests, collection
from tests.integration.chart.people import DRY, People, job, model, resource
from tests.integration.conftest import Kube

PAGE: Final = Path(__file__).parents[3] / "docs" / "security.md"
USERS: Final = {"viewer": "vera", "editor": "ed", "approver": "ann", "pool editor": "paul", "admin": "adam"}
HARMLESS: Final = {"metadata": {"annotations": {"tried": "yes"}}}

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
    """Makes a request for each verb, in the name of others; nothing is stored.

    Args:
        requests: sends them.
        namespace: where the objects are.
    """

    requests: ApiRequests
    namespace: str

    def allowed(self, user: str, kind: str, verb: str) -> bool:
        """Whether the API server carries out `verb` on the object of `kind`; it must refuse it with 403 otherwise."""
        status, content = self.requests.send(user, *self._request(user, kind, verb))
        assert status < HTTPStatus.MULTIPLE_CHOICES or status == HTTPStatus.FORBIDDEN, content
        return status != HTTPStatus.FORBIDDEN

    def _request(self, user: str, kind: str, verb: str) -> tuple[str, str, Any]:
        """Return method, path and body of the request that a verb stands for."""
        every = collection(self.namespace, kind)
        one, dry = f"{every}/tried", f"?{DRY_RUN}"
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
                return "POST", every + dry, manifest | {"metadata": {"generateName": "new-"}}
            case [single]:
                return {
                    "get": ("GET", one, None),
                    "list": ("GET", every, None),
                    "watch": ("GET", f"{every}?watch=true", None),
                    "patch": ("PATCH", one + dry, HARMLESS),
                    "approve": ("PATCH", one + dry, approval(kind, user)),
                    "delete": ("DELETE", one + dry, None),
                    "deletecollection": ("DELETE", every + dry, None),
                }[single]
        raise ValueError(verb)

    def _metadata(self, one: str) -> Any:
        return json.loads(self.requests.send("", "GET", one)[1])["metadata"]


@pytest.fixture(scope="module")
def places(kube: Kube, people: People) -> dict[str, Requests]:
    """Where the objects are: in the namespace where people hold their roles, and in another."""
    namespaces = {"own": people.namespace, "another": people.doomed}
    for namespace in namespaces.values():
        for manifest in objects().values():
            assert not people.create("", manifest, namespace=namespace)
    kube.until(lambda: not people.create("adam", model(version="1"), DRY))
    return {name: Requests(kube.requests, namespace) for name, namespace in namespaces.items()}


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

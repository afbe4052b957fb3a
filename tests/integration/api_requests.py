"""Requests to the API server without kubectl: as the administrator, or in the name of others."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Self

from kubernetes.client import ApiClient
from kubernetes.config import new_client_from_config

DRY_RUN: Final = "dryRun=All"
PLURALS: Final = {
    "TwinModel": "twinmodels",
    "Simulation": "simulations",
    "RetrainingJob": "retrainingjobs",
    "WorkerPool": "workerpools",
}


def collection(namespace: str, kind: str) -> str:
    """Return the path of all objects of a kind, written as in a manifest, in a namespace."""
    return f"/apis/twinops.dev/v1alpha1/namespaces/{namespace}/{PLURALS[kind]}"


@dataclass(frozen=True)
class ApiRequests:
    """Sends requests to the API server, each in a few milliseconds; kubectl needs a tenth of a second for one.

    Args:
        client: the cluster administrator's, who may impersonate.
    """

    client: ApiClient

    @classmethod
    def of(cls, kubeconfig: Path) -> Self:
        """Return the requests of a cluster's administrator."""
        return cls(new_client_from_config(config_file=str(kubeconfig)))  # type: ignore[no-untyped-call]

    def read(self, namespace: str, kind: str, name: str) -> dict[str, Any]:
        """Return an object."""
        status, content = self.send("", "GET", f"{collection(namespace, kind)}/{name}")
        body: dict[str, Any] = json.loads(content)
        assert status == HTTPStatus.OK, f"{kind} {namespace}/{name}: {body['message']}"
        return body

    def send(self, user: str, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        """Return status and content of the answer; the empty user is the administrator.

        A watch is closed as soon as it has begun, without its content.
        """
        merge = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Content-Type": merge, **({"Impersonate-User": user} if user else {})}
        url = self.client.configuration.host + path
        answer = self.client.rest_client.request(method, url, headers=headers, body=body)  # type: ignore[no-untyped-call]
        if "watch=true" in path and answer.status == HTTPStatus.OK:
            answer.response.close()
            return int(answer.status), b""
        return int(answer.status), bytes(answer.read())

    def refusal(self, user: str, method: str, path: str, body: Any = None) -> str:
        """Return the message with which a request is refused; empty where it is carried out."""
        status, content = self.send(user, method, path, body)
        return "" if status < HTTPStatus.MULTIPLE_CHOICES else str(json.loads(content)["message"])

    def close(self) -> None:
        """Close the connections."""
        self.client.close()  # type: ignore[no-untyped-call]

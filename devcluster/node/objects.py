"""Reads what Pods refer to: ConfigMaps, Secrets and tokens of service accounts."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from devcluster.node.api import NOT_FOUND, ApiError, ApiServer, Json

_DEFAULT_LIFETIME = 3600  # seconds, as in the API


@dataclass(frozen=True)
class TokenRequest:
    """A token that a projected volume asks for."""

    audience: str
    lifetime: int = _DEFAULT_LIFETIME  # seconds


class ApiObjects:
    """What Pods refer to, by the API server."""

    def __init__(self, api: ApiServer) -> None:
        self._api = api

    async def config_map(self, namespace: str, name: str) -> dict[str, bytes] | None:
        """Read a ConfigMap as bytes by key."""
        found = await self._read(f"/api/v1/namespaces/{namespace}/configmaps/{name}")
        if found is None:
            return None
        text = {key: value.encode() for key, value in (found.get("data") or {}).items()}
        return text | {key: base64.b64decode(value) for key, value in (found.get("binaryData") or {}).items()}

    async def secret(self, namespace: str, name: str) -> dict[str, bytes] | None:
        """Read a Secret as bytes by key."""
        found = await self._read(f"/api/v1/namespaces/{namespace}/secrets/{name}")
        if found is None:
            return None
        return {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}

    async def _read(self, path: str) -> Json | None:
        try:
            return await self._api.get(path)
        except ApiError as error:
            if error.status == NOT_FOUND:
                return None
            raise

    async def token(self, pod: Json, wanted: TokenRequest) -> bytes:
        """Ask for a token of the Pod's service account that ends with the Pod."""
        metadata, account = pod["metadata"], pod["spec"].get("serviceAccountName", "default")
        bound = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
        spec: Json = {"expirationSeconds": wanted.lifetime, "boundObjectRef": bound}
        if wanted.audience:
            spec["audiences"] = [wanted.audience]
        path = f"/api/v1/namespaces/{metadata['namespace']}/serviceaccounts/{account}/token"
        answer = await self._api.create(path, {"spec": spec})
        return str(answer["status"]["token"]).encode()

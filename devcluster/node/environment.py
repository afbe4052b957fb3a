"""The environment of a container, and the expansion of `$(NAME)` in it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from devcluster.node.fields import UnknownFieldError, field_value, resource_value

Json = dict[str, Any]
_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")


class ConfigurationError(Exception):
    """Something that a container refers to is not there (yet); the message names it."""


class Objects(Protocol):
    """Where ConfigMaps and Secrets are read, as bytes by key; None when there is no such object."""

    async def config_map(self, namespace: str, name: str) -> dict[str, bytes] | None:
        """Read a ConfigMap."""

    async def secret(self, namespace: str, name: str) -> dict[str, bytes] | None:
        """Read a Secret."""


Read = Callable[[str, str], Awaitable[dict[str, bytes] | None]]


def expand(text: str, environment: Mapping[str, str]) -> str:
    """Replace `$(NAME)` by its value; an unknown name stays as it is, and `$$` is one dollar."""

    def replaced(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return environment.get(match[1], match[0])

    return _REFERENCE.sub(replaced, text)


async def content(read: Read, kind: str, namespace: str, reference: Json) -> dict[str, bytes]:
    """Read what a reference names; nothing when it is optional and missing.

    Raises:
        ConfigurationError: it is missing.
    """
    found = await read(namespace, reference["name"])
    if found is None and not reference.get("optional"):
        raise ConfigurationError(f'{kind} "{reference["name"]}" not found')
    return found or {}


class Environment:
    """Resolves the environment of the containers of one Pod."""

    def __init__(self, pod: Json, address: str, objects: Objects, allocatable: Mapping[str, str]) -> None:
        self._pod = pod
        self._address = address
        self._namespace: str = pod["metadata"]["namespace"]
        self._reads: dict[str, tuple[str, Read]] = {
            "configMap": ("configmap", objects.config_map),
            "secret": ("secret", objects.secret),
        }
        self._allocatable = allocatable

    async def resolve(self, container: Json, given: Mapping[str, str]) -> dict[str, str]:
        """Give the environment of a container on top of what every container is given.

        Raises:
            ConfigurationError: something that it refers to is missing.
        """
        environment = dict(given)
        for source in container.get("envFrom") or []:
            environment |= await self._all_of(source)
        for variable in container.get("env") or []:
            value = await self._value(container, variable, environment)
            if value is not None:
                environment[variable["name"]] = value
        return environment

    async def _all_of(self, source: Json) -> dict[str, str]:
        kind = "configMap" if "configMapRef" in source else "secret"
        name, read = self._reads[kind]
        entries = await content(read, name, self._namespace, source[f"{kind}Ref"])
        prefix = source.get("prefix", "")
        return {prefix + key: value.decode(errors="replace") for key, value in entries.items()}

    async def _value(self, container: Json, variable: Json, environment: Mapping[str, str]) -> str | None:
        source = variable.get("valueFrom")
        if source is None:
            return expand(variable.get("value", ""), environment)
        try:
            if "fieldRef" in source:
                return field_value(self._pod, self._address, source["fieldRef"]["fieldPath"])
        except UnknownFieldError as error:
            raise ConfigurationError(str(error)) from error
        if "resourceFieldRef" in source:
            return resource_value(container, source["resourceFieldRef"], self._allocatable)
        return await self._key(source)

    async def _key(self, source: Json) -> str | None:
        kind = "configMap" if "configMapKeyRef" in source else "secret"
        name, read = self._reads[kind]
        reference = source[f"{kind}KeyRef"]
        entries = await content(read, name, self._namespace, reference)
        if reference["key"] in entries:
            return entries[reference["key"]].decode(errors="replace")
        if reference.get("optional"):
            return None
        raise ConfigurationError(
            f"couldn't find key {reference['key']} in {name} {self._namespace}/{reference['name']}"
        )

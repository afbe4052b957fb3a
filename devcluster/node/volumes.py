"""The volumes of a Pod as folders of the host, written as a kubelet writes them: a reader sees all or nothing."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devcluster.node.api import ApiError, Json
from devcluster.node.environment import ConfigurationError, content, expand
from devcluster.node.fields import UnknownFieldError, field_value, resource_value
from devcluster.node.objects import ApiObjects, TokenRequest
from devcluster.sandbox.rootfs import Mount

_FILE_MODE = 0o644  # the API's default for what it puts into volumes
_RENEW_AT = 0.8  # of a token's lifetime, as a kubelet does


@dataclass(frozen=True)
class File:
    """A file of a volume."""

    content: bytes
    mode: int = _FILE_MODE


class Volumes:
    """The volumes of one Pod, below `directory`."""

    def __init__(
        self, pod: Json, address: str, objects: ApiObjects, directory: Path, allocatable: Mapping[str, str]
    ) -> None:
        self._pod = pod
        self._address = address
        self._namespace: str = pod["metadata"]["namespace"]
        self._objects = objects
        self._directory = directory
        self._allocatable = allocatable
        self._paths: dict[str, Path] = {}
        self._written: dict[str, dict[str, File]] = {}
        self._tokens: dict[TokenRequest, tuple[float, bytes]] = {}

    async def prepare(self) -> None:
        """Make the volumes, or bring those that follow API objects up to date.

        Raises:
            ConfigurationError: an object is missing, or the kind of volume is not emulated.
        """
        for volume in self._pod["spec"].get("volumes") or []:
            try:
                self._paths[volume["name"]] = await self._prepare(volume)
            except (ApiError, UnknownFieldError, OSError) as error:
                raise ConfigurationError(f'volume "{volume["name"]}": {error}') from error

    async def _prepare(self, volume: Json) -> Path:
        if "hostPath" in volume:
            return _host_path(volume["hostPath"])
        name: str = volume["name"]
        path = self._directory / name
        path.mkdir(parents=True, exist_ok=True)
        if "emptyDir" in volume:
            path.chmod(0o777)
            return path
        files = await self._files(volume)
        if files != self._written.get(name):
            write_files(path, files)
            self._written[name] = files
        return path

    async def _files(self, volume: Json) -> dict[str, File]:
        kind = next((kind for kind in ("projected", "configMap", "secret", "downwardAPI") if kind in volume), None)
        if kind is None:
            kinds = ", ".join(key for key in volume if key != "name")
            raise ConfigurationError(f'volume "{volume["name"]}": devcluster does not emulate {kinds}')
        sources: list[Json] = [{kind: volume[kind]}]
        if kind == "projected":
            sources = volume[kind].get("sources") or []
        mode = volume[kind].get("defaultMode", _FILE_MODE)
        files: dict[str, File] = {}
        for source in sources:
            files |= await self._source(source, mode)
        return files

    async def _source(self, source: Json, mode: int) -> dict[str, File]:
        if "serviceAccountToken" in source:
            wanted = source["serviceAccountToken"]
            return {wanted["path"]: File(await self._token(wanted), mode)}
        if "downwardAPI" in source:
            return {item["path"]: self._downward(item, mode) for item in source["downwardAPI"].get("items") or []}
        if "configMap" in source:
            reference, read, kind = source["configMap"], self._objects.config_map, "configmap"
        else:
            reference, read, kind = source["secret"], self._objects.secret, "secret"
        reference = {"name": reference.get("secretName") or reference.get("name"), **reference}
        return _selected(await content(read, kind, self._namespace, reference), reference, mode)

    async def _token(self, wanted: Json) -> bytes:
        request = TokenRequest(wanted.get("audience", ""), wanted.get("expirationSeconds", 3600))
        renewal, token = self._tokens.get(request, (0.0, b""))
        if time.monotonic() >= renewal:
            token = await self._objects.token(self._pod, request)
            self._tokens[request] = (time.monotonic() + _RENEW_AT * request.lifetime, token)
        return token

    def _downward(self, item: Json, mode: int) -> File:
        if "resourceFieldRef" in item:
            name = item["resourceFieldRef"].get("containerName")
            container = next(each for each in self._pod["spec"]["containers"] if each["name"] == name)
            value = resource_value(container, item["resourceFieldRef"], self._allocatable)
        else:
            value = field_value(self._pod, self._address, item["fieldRef"]["fieldPath"])
        return File(value.encode(), item.get("mode", mode))

    def mounts(self, container: Json, environment: Mapping[str, str]) -> list[Mount]:
        """Give what a container mounts, and where.

        Raises:
            ConfigurationError: a sub-path leaves its volume.
        """
        return [self._mount(mount, environment) for mount in container.get("volumeMounts") or []]

    def _mount(self, mount: Json, environment: Mapping[str, str]) -> Mount:
        volume = self._paths[mount["name"]]
        sub_path = mount.get("subPath") or expand(mount.get("subPathExpr", ""), environment)
        source = (volume / sub_path).resolve()
        if not source.is_relative_to(volume.resolve()):
            raise ConfigurationError(f"subPath {sub_path} leaves the volume {mount['name']}")
        if not source.exists():
            source.mkdir(parents=True)
        read_only = bool(mount.get("readOnly")) or mount["name"] in self._written
        return Mount(str(source), mount["mountPath"], read_only=read_only)


def _host_path(volume: Json) -> Path:
    path, kind = Path(volume["path"]), volume.get("type", "")
    if kind == "DirectoryOrCreate":
        path.mkdir(parents=True, exist_ok=True)
    if kind == "FileOrCreate":
        path.touch()
    if not path.exists():
        raise ConfigurationError(f"hostPath {path} does not exist")
    return path


def _selected(entries: Mapping[str, bytes], reference: Json, mode: int) -> dict[str, File]:
    items = reference.get("items")
    if not items:
        return {key: File(value, mode) for key, value in entries.items()}
    missing = [item["key"] for item in items if item["key"] not in entries]
    if missing and not reference.get("optional"):
        raise ConfigurationError(f"{reference['name']} has no key {', '.join(missing)}")
    present = [item for item in items if item["key"] in entries]
    return {item["path"]: File(entries[item["key"]], item.get("mode", mode)) for item in present}


def write_files(folder: Path, files: Mapping[str, File]) -> None:
    """Replace the content of a volume in one step: names are links by way of `..data`, which is swapped."""
    data = folder / "..data"
    old = data.readlink().name if data.is_symlink() else None
    new = folder / f"..{time.time_ns()}"
    for name, file in files.items():
        path = new / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(file.content)
        path.chmod(file.mode)
    new.mkdir(exist_ok=True)
    swap = folder / "..swap"
    swap.symlink_to(new.name)
    swap.replace(data)
    _link_names(folder, {Path(name).parts[0] for name in files})
    if old is not None:
        shutil.rmtree(folder / old)


def _link_names(folder: Path, names: set[str]) -> None:
    for path in folder.iterdir():
        if path.is_symlink() and not path.name.startswith("..") and path.name not in names:
            path.unlink()
    for name in names:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(Path("..data") / name)

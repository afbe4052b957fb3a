"""The file system that a container sees: the host's, with its volumes at the absolute paths they ask for.

A new root is put together from binds of the host's folders, so a mount path that the host does not
have can be made without a trace on the host.  Everything happens in a mount namespace of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from devcluster.sandbox import linux

_LINKS = 40  # as many symbolic links as the kernel follows in one path


@dataclass(frozen=True)
class Mount:
    """A file or folder of the host, and the absolute path where the container finds it."""

    source: str
    target: str
    read_only: bool = False


@dataclass
class Root:
    """A root directory in the making, on a tmpfs at `directory`."""

    directory: Path
    _volumes: list[Path] = field(default_factory=list)
    _shadows: int = 0

    def build(self, mounts: Iterable[Mount], exposed: Iterable[str]) -> None:
        """Mount the host's root here and the volumes over it; `exposed` paths stay visible under any volume."""
        linux.mount("", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
        linux.mount("tmpfs", str(self.directory), "tmpfs", data="mode=755")
        _bind_entries(Path("/"), self.directory, skipped=self.directory)
        with suppress(PermissionError):  # refused where the host's own /proc is masked; the host's serves
            linux.mount("proc", str(self.directory / "proc"), "proc")
        for mount in sorted(mounts, key=lambda each: len(Path(each.target).parts)):
            self._add(mount)
        volumes = tuple(self._volumes)
        for path in sorted(exposed, key=lambda each: len(Path(each).parts)):
            self._expose(path, volumes)

    def _add(self, mount: Mount) -> None:
        target = self._place(mount.target, is_folder=Path(mount.source).is_dir())
        linux.mount(mount.source, str(target), flags=linux.MS_BIND | linux.MS_REC)
        if mount.read_only:
            linux.mount("", str(target), flags=linux.MS_REMOUNT | linux.MS_BIND | linux.MS_RDONLY | _locked(target))
        self._volumes.append(target)

    def _expose(self, path: str, volumes: Iterable[Path]) -> None:
        target = self._resolve(path)
        # An empty folder of this name may be in the volume from an earlier start: that it exists says nothing.
        hidden = any(target.is_relative_to(volume) for volume in volumes)
        covered = any(target.is_relative_to(shown) for shown in self._volumes if shown not in volumes)
        if hidden and not covered:
            self._add(Mount(path, path))

    def _place(self, target: str, *, is_folder: bool) -> Path:
        """Make a path that something can be mounted on, and give it as the host sees it."""
        path = self._resolve(target)
        if path.exists():
            return path
        missing = [path, *path.parents]
        existing = next(parent for parent in missing if parent.exists())
        if not self._is_own(existing):
            self._shadow(existing)
        folder = path if is_folder else path.parent
        folder.mkdir(parents=True, exist_ok=True)
        if not is_folder:
            path.touch()
        return path

    def _is_own(self, folder: Path) -> bool:
        """Whether a new entry in the folder stays inside the container or a volume."""
        in_volume = any(folder.is_relative_to(volume) for volume in self._volumes)
        return in_volume or folder.stat().st_dev == self.directory.stat().st_dev

    def _shadow(self, folder: Path) -> None:
        """Cover a folder of the host by one that has the same entries and takes new ones."""
        self._shadows += 1
        copy = self.directory / ".devcluster" / str(self._shadows)
        copy.mkdir(parents=True)
        _bind_entries(folder, copy, skipped=self.directory)
        linux.mount(str(copy), str(folder), flags=linux.MS_BIND | linux.MS_REC)

    def _resolve(self, target: str) -> Path:
        """Follow symbolic links as they will be followed once `directory` is the root."""
        done, rest, links = Path(), [part for part in Path(target).parts if part != "/"], 0
        while rest:
            part = rest.pop(0)
            link = self._link(done / part)
            if link is None:
                done = done.parent if part == ".." else done / part
                continue
            links += 1
            if links > _LINKS:
                raise OSError(f"too many symbolic links in {target}")
            done = Path() if link.is_absolute() else done
            rest = [piece for piece in link.parts if piece != "/"] + rest
        return self.directory / done

    def _link(self, path: Path) -> Path | None:
        full = self.directory / path
        return full.readlink() if full.is_symlink() else None


def _bind_entries(folder: Path, copy: Path, *, skipped: Path) -> None:
    for entry in os.scandir(folder):
        if Path(entry.path) != skipped:
            _bind_entry(entry, copy / entry.name)


def _bind_entry(entry: os.DirEntry[str], target: Path) -> None:
    if entry.is_symlink():
        target.symlink_to(Path(entry.path).readlink())
        return
    if entry.is_dir():
        target.mkdir()
    else:
        target.touch()
    linux.mount(entry.path, str(target), flags=linux.MS_BIND | linux.MS_REC)


def _locked(path: Path) -> int:
    """Give the flags which a remount in a user namespace has to repeat, or the kernel refuses it."""
    flags = os.statvfs(path).f_flag
    pairs = (
        (os.ST_NOSUID, linux.MS_NOSUID),
        (os.ST_NODEV, linux.MS_NODEV),
        (os.ST_NOEXEC, linux.MS_NOEXEC),
    )
    return sum(mount_flag for given, mount_flag in pairs if flags & given)

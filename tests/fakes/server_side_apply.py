"""Server-side apply of one field manager: what it no longer names is removed, what others set stays."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from twin_operator.services.runs.run import JSON

Step = str | tuple[Any, ...]
"""A field's name, or the key of an item of a list that is a map."""
Path = tuple[Step, ...]
LIST_KEYS: Final = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "ports": ("containerPort", "protocol"),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
    "imagePullSecrets": ("name",),
    "ownerReferences": ("uid",),
    "conditions": ("type",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}
"""Lists of Deployments that are maps, with their keys as the API declares them; any other list is one value."""
KEY_DEFAULTS: Final = {"protocol": "TCP"}


@dataclass
class Ownership:
    """What the managers of one object have set.

    Attributes:
        applied: the manifest that was last applied.
        others: paths that others have set, among them this manager's own updates without apply.
    """

    applied: JSON = field(default_factory=dict)
    others: set[Path] = field(default_factory=set)

    def note_update(self, before: JSON, after: JSON) -> None:
        """Note what an update without apply has set."""
        old, new = dict(leaves(before)), dict(leaves(after))
        self.others = {path for path in self.others if path in new}
        self.others |= {path for path, value in new.items() if path not in old or old[path] != value}

    def apply(self, live: JSON, manifest: JSON) -> JSON:
        """Return the object with a manifest applied, by force; nothing is noted until `note_apply`."""
        kept = _released(live, self.applied, manifest, self._others_after(live, manifest), ())
        applied: JSON = _laid(kept, manifest)
        return applied

    def note_apply(self, live: JSON, manifest: JSON) -> None:
        """Note a manifest that was applied to `live`."""
        self.others = self._others_after(live, manifest)
        self.applied = manifest

    def _others_after(self, live: JSON, manifest: JSON) -> set[Path]:
        """Return what others still own once this manager has forced its values."""
        there = dict(leaves(live))
        return self.others - {path for path, value in leaves(manifest) if there.get(path) != value}


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield the values of an object that managers own, with their paths."""
    children = _children(value, path)
    if not children:
        yield path, value
        return
    for step, item in children.items():
        yield from leaves(item, (*path, step))


def _children(value: Any, path: Path) -> dict[Step, Any]:
    """Return what is within a map, or a list that is one; nothing within any other value."""
    if isinstance(value, dict):
        return dict(value)
    keys = LIST_KEYS.get(str(path[-1])) if path else None
    if keys and isinstance(value, list):
        return {tuple(item.get(key, KEY_DEFAULTS.get(key)) for key in keys): item for item in value}
    return {}


def _like(value: Any, children: dict[Step, Any]) -> Any:
    return children if isinstance(value, dict) else list(children.values())


def _released(live: Any, before: Any, now: Any, others: set[Path], path: Path) -> Any:
    """Return `live` without what `before` names, `now` does not, and no other manager owns."""
    there, named, kept = _children(live, path), _children(before, path), _children(now, path)
    if not there:
        return live
    result: dict[Step, Any] = {}
    for step, item in there.items():
        below = (*path, step)
        if step not in named:
            result[step] = item
        elif step in kept or any(other[: len(below)] == below for other in others):
            result[step] = _released(item, named[step], kept.get(step, {}), others, below)
    return _like(live, result)


def _laid(live: Any, manifest: Any, path: Path = ()) -> Any:
    """Return `live` with what the manifest names, maps merged."""
    there, named = _children(live, path), _children(manifest, path)
    if not there:
        return manifest
    if not named:
        return manifest or live  # an empty map takes nothing away
    both = {**there, **named}
    return _like(
        manifest, {k: _laid(there[k], v, (*path, k)) if k in there and k in named else v for k, v in both.items()}
    )

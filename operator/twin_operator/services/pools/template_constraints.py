"""Constraints on values of a pool's template; the rules that use them are in template_rules. Pure.

Each constraint has a counterpart in CEL in crdgen/template_policy, so that the admission policy decides as the
operator does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from twin_operator.services.runs.run import JSON

WORKER: Final = "worker"
"""The container that has the operator's own security context under that of the template."""


class Named(StrEnum):
    """Kinds of objects that a template names; the value is the field of the chart's `workerPools.allowed`."""

    SERVICE_ACCOUNT = "serviceAccounts"
    SECRET = "secrets"  # noqa: S105 - a kind of object
    CONFIG_MAP = "configMaps"
    CLAIM = "persistentVolumeClaims"


@dataclass(frozen=True)
class TemplateAllowance:
    """What the installation allows the templates of pools.

    Attributes:
        names: objects that may be named, by their kind.
        images: further images: `NAME` with any tag or digest, one exact image, or every image below `PREFIX/`.
        worker_account: the workers' service account, which may always be named.
        worker_image: the installation's image, which may always be named.
        data_volume: the volume source of the workers' data, which may be of any type; empty: none.
        data_read_only: whether that volume is mounted read-only.
    """

    worker_account: str
    worker_image: str
    names: Mapping[Named, frozenset[str]] = field(default_factory=dict)
    images: frozenset[str] = frozenset()
    data_volume: JSON = field(default_factory=dict)
    data_read_only: bool = True

    def is_data(self, volume: object) -> bool:
        """Whether a volume of a template is the installation's, under any name."""
        if not self.data_volume or not isinstance(volume, dict):
            return False
        return {key: value for key, value in volume.items() if key != "name"} == self.data_volume

    def may_name(self, kind: Named, name: object) -> bool:
        """Whether a template may name an object."""
        if kind is Named.SERVICE_ACCOUNT and name == self.worker_account:
            return True
        return isinstance(name, str) and name in self.names.get(kind, frozenset())

    def may_run(self, image: object) -> bool:
        """Whether a container may run an image."""
        if not isinstance(image, str):
            return False
        return image == self.worker_image or any(is_image_of(image, entry) for entry in self.images)


def is_image_of(image: str, entry: str) -> bool:
    """Return whether an image is one that an entry of `workerPools.allowed.images` means.

    A tag has no slash: after `NAME:` it would be the port of a registry, and the image another one.
    """
    if image == entry or (entry.endswith("/") and image.startswith(entry)):
        return True
    return image.startswith((f"{entry}:", f"{entry}@")) and "/" not in image[len(entry) :]


@dataclass(frozen=True)
class Surroundings:
    """What a constraint needs to know besides the value.

    Attributes:
        allowance: what the installation allows.
        token: whether the Pod may have a token of its account: an administrator has listed the account.
        read_only: names of the template's volumes that may only be mounted read-only.
    """

    allowance: TemplateAllowance
    token: bool
    read_only: frozenset[str]


@dataclass(frozen=True)
class IsObject:
    """The value is an object, not null."""

    def holds(self, value: object, around: Surroundings) -> bool:  # noqa: ARG002, D102 - as for each constraint
        return isinstance(value, dict)


@dataclass(frozen=True)
class IsList:
    """The value is a list, not null."""

    def holds(self, value: object, around: Surroundings) -> bool:  # noqa: ARG002, D102 - as for each constraint
        return isinstance(value, list)


@dataclass(frozen=True)
class IsText:
    """The value is a text: lists are merged by it."""

    def holds(self, value: object, around: Surroundings) -> bool:  # noqa: ARG002, D102 - as for each constraint
        return isinstance(value, str)


@dataclass(frozen=True)
class Absent:
    """There is no such field."""

    def holds(self, value: object, around: Surroundings) -> bool:  # noqa: ARG002, D102 - as for each constraint
        return False


@dataclass(frozen=True)
class OneOf:
    """The value is one of `values`, of the same type."""

    values: tuple[str | int | bool, ...]

    def holds(self, value: object, around: Surroundings) -> bool:  # noqa: ARG002, D102 - as for each constraint
        return any(type(value) is type(each) and value == each for each in self.values)


@dataclass(frozen=True)
class AtLeast:
    """The value is a whole number of at least `least`, or null where that is `nullable`."""

    least: int
    nullable: bool = False

    def holds(self, value: object, around: Surroundings) -> bool:  # noqa: ARG002, D102 - as for each constraint
        if value is None:
            return self.nullable
        return isinstance(value, int) and not isinstance(value, bool) and value >= self.least


@dataclass(frozen=True)
class OnlyKeys:
    """An object has no other fields than `names`."""

    names: tuple[str, ...]

    def holds(self, value: object, around: Surroundings) -> bool:  # noqa: ARG002, D102 - as for each constraint
        return not isinstance(value, dict) or value.keys() <= set(self.names)


@dataclass(frozen=True)
class HasKey:
    """An object has the field `name`."""

    name: str

    def holds(self, value: object, around: Surroundings) -> bool:  # noqa: ARG002, D102 - as for each constraint
        return not isinstance(value, dict) or self.name in value


@dataclass(frozen=True)
class NoKeyBeginsWith:
    """No field of an object begins with `prefix`."""

    prefix: str

    def holds(self, value: object, around: Surroundings) -> bool:  # noqa: ARG002, D102 - as for each constraint
        return not isinstance(value, dict) or not any(key.startswith(self.prefix) for key in value)


@dataclass(frozen=True)
class BeginsNotWith:
    """A text does not begin with `prefix`."""

    prefix: str

    def holds(self, value: object, around: Surroundings) -> bool:  # noqa: ARG002, D102 - as for each constraint
        return isinstance(value, str) and not value.startswith(self.prefix)


@dataclass(frozen=True)
class Includes:
    """A list has `item`."""

    item: str

    def holds(self, value: object, around: Surroundings) -> bool:  # noqa: ARG002, D102 - as for each constraint
        return isinstance(value, list) and self.item in value


@dataclass(frozen=True)
class MayBeNamed:
    """The value is the name of an object that the installation allows."""

    kind: Named

    def holds(self, value: object, around: Surroundings) -> bool:  # noqa: D102 - as for each constraint
        return around.allowance.may_name(self.kind, value)


@dataclass(frozen=True)
class MayRun:
    """The value is an image that the installation allows."""

    def holds(self, value: object, around: Surroundings) -> bool:  # noqa: D102 - as for each constraint
        return around.allowance.may_run(value)


@dataclass(frozen=True)
class TokenAllowed:
    """The value is false, or an administrator has listed the Pod's account."""

    def holds(self, value: object, around: Surroundings) -> bool:  # noqa: D102 - as for each constraint
        return value is False or around.token


@dataclass(frozen=True)
class Hardened:
    """A container says what the profile requires of each, unless it is one that has that from the operator."""

    ours: tuple[str, ...]

    def holds(self, value: object, around: Surroundings) -> bool:  # noqa: ARG002, D102 - as for each constraint
        if not isinstance(value, dict) or value.get("name") in self.ours:
            return True
        context = value.get("securityContext")
        capabilities = context.get("capabilities") if isinstance(context, dict) else None
        return isinstance(context, dict) and "allowPrivilegeEscalation" in context and _drops(capabilities)


def _drops(capabilities: object) -> bool:
    return isinstance(capabilities, dict) and "drop" in capabilities


@dataclass(frozen=True)
class DataReadOnly:
    """A mount of the installation's data is read-only."""

    def holds(self, value: object, around: Surroundings) -> bool:  # noqa: D102 - as for each constraint
        if not isinstance(value, dict) or value.get("name") not in around.read_only:
            return True
        return value.get("readOnly") is True


Constraint = (
    IsObject
    | IsList
    | IsText
    | Absent
    | OneOf
    | AtLeast
    | OnlyKeys
    | HasKey
    | NoKeyBeginsWith
    | BeginsNotWith
    | Includes
    | MayBeNamed
    | MayRun
    | TokenAllowed
    | Hardened
    | DataReadOnly
)
"""A constraint: its method `holds` says whether a value meets it."""

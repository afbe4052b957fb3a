"""What resources share: metadata, the reference to a TwinModel, and the declaration that turns a model into a CRD."""

from dataclasses import dataclass
from typing import ClassVar, Final

from pydantic import Field

from twin_operator.api.v1alpha1.conditions import (
    UNOBSERVED_GENERATION,
    Condition,
    Conditions,
    ConditionType,
    ObservedGeneration,
    find_condition,
)
from twin_operator.api.v1alpha1.fields import ObjectName, Timestamp
from twin_operator.api.v1alpha1.schema import ApiModel, Rule

GROUP: Final = "twinops.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
CATEGORY: Final = "twinops"
"""``kubectl get twinops`` lists all four kinds."""


@dataclass(frozen=True)
class Column:
    """A column that ``kubectl get`` prints; wide ones only with ``-o wide``."""

    name: str
    json_path: str
    type: str = "string"
    description: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Scale:
    """The paths of the scale subresource."""

    replicas: str
    status_replicas: str
    selector: str


@dataclass(frozen=True)
class Definition:
    """What a CRD says about a kind beyond its schema."""

    kind: str
    plural: str
    short_names: tuple[str, ...]
    columns: tuple[Column, ...]
    selectable: tuple[str, ...] = ()
    scale: Scale | None = None
    rules: tuple[Rule, ...] = ()

    @property
    def name(self) -> str:
        """The name of the CRD, PLURAL.GROUP."""
        return f"{self.plural}.{GROUP}"


def condition_column(name: str, condition: str, field: str = "status", *, wide: bool = False) -> Column:
    """Make a column of one field of one condition."""
    return Column(
        name,
        f'.status.conditions[?(@.type=="{condition}")].{field}',
        description=f"The {field} of condition {condition}.",
        wide=wide,
    )


AGE: Final = Column("Age", ".metadata.creationTimestamp", "date", "Time since creation.")


class OwnerReference(ApiModel):
    """The object that owns this one and takes it along when it is deleted."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool = False
    block_owner_deletion: bool = False


class ObjectMeta(ApiModel):
    """The part of Kubernetes' own metadata that the operator reads."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: Timestamp | None = None
    deletion_timestamp: Timestamp | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    owner_references: tuple[OwnerReference, ...] = ()


class Status(ApiModel):
    """What the status of every kind says."""

    observed_generation: ObservedGeneration = Field(
        default=UNOBSERVED_GENERATION,
        description="Generation of spec that this status is of; -1 before the operator saw it.",
    )
    conditions: Conditions = Field(default=(), description="Ready, and Reconciling or Stalled while true.")

    def condition(self, condition_type: ConditionType) -> Condition | None:
        """Return the condition of this type, if there is one."""
        return find_condition(self.conditions, condition_type)


class Resource(ApiModel):
    """A custom resource; its kinds narrow spec and status."""

    definition: ClassVar[Definition]

    api_version: str = API_VERSION
    kind: str = ""
    metadata: ObjectMeta = ObjectMeta()
    spec: ApiModel
    status: Status = Status()

    @property
    def namespace(self) -> str:
        """metadata.namespace."""
        return self.metadata.namespace

    @property
    def name(self) -> str:
        """metadata.name."""
        return self.metadata.name

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.metadata.namespace, self.metadata.name

    @property
    def uid(self) -> str:
        """metadata.uid."""
        return self.metadata.uid


class TwinModelRef(ApiModel):
    """The TwinModel, in the same namespace, that this object is about."""

    name: ObjectName = Field(
        description="Name of the TwinModel. It may be created later: the object then waits for it."
    )

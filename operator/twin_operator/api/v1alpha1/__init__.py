"""Version v1alpha1 of the four kinds: the only source of their CRDs."""

from types import MappingProxyType
from typing import Final

from twin_operator.api.v1alpha1.resource import (
    API_VERSION,
    CATEGORY,
    GROUP,
    VERSION,
    ObjectMeta,
    OwnerReference,
    Resource,
    Status,
)
from twin_operator.api.v1alpha1.retraining_job import RetrainingJob, RetrainingJobSpec, RetrainingJobStatus
from twin_operator.api.v1alpha1.simulation import Simulation, SimulationSpec
from twin_operator.api.v1alpha1.simulation_status import SimulationStatus
from twin_operator.api.v1alpha1.twin_model import TwinModel, TwinModelSpec
from twin_operator.api.v1alpha1.twin_model_status import TwinModelStatus
from twin_operator.api.v1alpha1.worker_pool import WorkerPool, WorkerPoolSpec, WorkerPoolStatus

KINDS: Final[tuple[type[Resource], ...]] = (TwinModel, Simulation, RetrainingJob, WorkerPool)
PLURALS: Final = MappingProxyType({kind.definition.kind: kind.definition.plural for kind in KINDS})

__all__ = [
    "API_VERSION",
    "CATEGORY",
    "GROUP",
    "KINDS",
    "PLURALS",
    "VERSION",
    "ObjectMeta",
    "OwnerReference",
    "Resource",
    "RetrainingJob",
    "RetrainingJobSpec",
    "RetrainingJobStatus",
    "Simulation",
    "SimulationSpec",
    "SimulationStatus",
    "Status",
    "TwinModel",
    "TwinModelSpec",
    "TwinModelStatus",
    "WorkerPool",
    "WorkerPoolSpec",
    "WorkerPoolStatus",
]

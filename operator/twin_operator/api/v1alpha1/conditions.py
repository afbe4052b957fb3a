"""The one vocabulary of status: phases, condition types and reasons, and how conditions change.

Every reason that any kind can show is here, so that documentation, alerts and tests can name them
all. Which of them applies is decided in ``services``.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from twin_operator.api.v1alpha1.fields import QUANTITY_LIMIT, Count, Timestamp
from twin_operator.api.v1alpha1.schema import ApiModel, list_map

UNOBSERVED_GENERATION: Final = -1
"""Of a status that no operator has written: generations start at 1, so no tool takes it for current."""
CONDITIONS_LIMIT: Final = 32
"""Three times the condition types that one kind can have, so that others may add theirs."""
MESSAGE_LIMIT: Final = 32_768
"""Characters, as of Kubernetes' own conditions: an API server's refusal of a template can be long."""


class ConditionType(StrEnum):
    """What a condition is about."""

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    FAITHFUL = "Faithful"
    RETRAINABLE = "Retrainable"
    ASSIGNMENT_NOT_RANDOM = "AssignmentNotRandom"
    DATA_WARNING = "DataWarning"
    TRUSTWORTHY = "Trustworthy"
    PROMOTED = "Promoted"
    REGISTRY_CONFLICT = "RegistryConflict"
    ARCHIVE_REACHABLE = "ArchiveReachable"
    OUTCOMES_INCOMPLETE = "OutcomesIncomplete"
    SCALING_ACTIVE = "ScalingActive"
    SCALING_LIMITED = "ScalingLimited"


class ConditionStatus(StrEnum):
    """Whether a condition holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class TwinModelPhase(StrEnum):
    """Where a TwinModel is."""

    PENDING = "Pending"
    TRAINING = "Training"
    READY = "Ready"
    DEGRADED = "Degraded"
    FAILED = "Failed"
    SUSPENDED = "Suspended"


class SimulationPhase(StrEnum):
    """Where a Simulation is."""

    PENDING = "Pending"
    QUEUED = "Queued"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    SUSPENDED = "Suspended"

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self in {SimulationPhase.SUCCEEDED, SimulationPhase.FAILED}


class RetrainingJobPhase(StrEnum):
    """Where a RetrainingJob is."""

    PENDING = "Pending"
    COOLING_DOWN = "CoolingDown"
    AWAITING_APPROVAL = "AwaitingApproval"
    APPROVED = "Approved"
    TRAINING = "Training"
    VALIDATING = "Validating"
    COMPLETED = "Completed"
    FAILED = "Failed"
    REJECTED = "Rejected"
    CANCELLED = "Cancelled"

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self in {
            RetrainingJobPhase.COMPLETED,
            RetrainingJobPhase.FAILED,
            RetrainingJobPhase.REJECTED,
            RetrainingJobPhase.CANCELLED,
        }

    @property
    def running(self) -> bool:
        """Whether its tasks are queued or run: no other job of the model may start."""
        return self in {RetrainingJobPhase.TRAINING, RetrainingJobPhase.VALIDATING}

    @property
    def counts_as_attempt(self) -> bool:
        """Whether a job that ended like this counts for maxAttempts and starts a cool-down: not a cancelled one."""
        return self.finished and self is not RetrainingJobPhase.CANCELLED


class WorkerPoolPhase(StrEnum):
    """Where a WorkerPool is."""

    PENDING = "Pending"
    READY = "Ready"
    SCALING = "Scaling"
    IDLE = "Idle"
    FAILED = "Failed"


class Reason(StrEnum):
    """Why a condition has its status: stable words for users, selectors and alerts."""

    # Of every kind.
    SUCCEEDED = "Succeeded"
    SUSPENDED = "Suspended"
    NOT_SUPPORTED = "NotSupported"
    INTERNAL_ERROR = "InternalError"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    BACKOFF_LIMIT_EXCEEDED = "BackoffLimitExceeded"
    NO_WORKERS = "NoWorkers"
    # On the way to an answer.
    QUEUED = "Queued"
    RUNNING = "Running"
    TRAINING = "Training"
    VALIDATING = "Validating"
    # Of a TwinModel.
    MODEL_SERVING = "ModelServing"
    WAITING_FOR_TURN = "WaitingForTurn"
    WAITING_FOR_WORKER = "WaitingForWorker"
    DATA_WARNING = "DataWarning"
    DATA_NOT_READABLE = "DataNotReadable"
    DATA_INVALID = "DataInvalid"
    ADDRESS_NOT_ALLOWED = "AddressNotAllowed"
    ASSIGNMENT_NOT_RANDOM = "AssignmentNotRandom"
    NO_OVERLAP = "NoOverlap"
    REGISTERED_MODEL_TAKEN = "RegisteredModelTaken"
    FOREIGN_VERSION = "ForeignVersion"
    RETRAINING_EXHAUSTED = "RetrainingExhausted"
    THRESHOLDS_MET = "ThresholdsMet"
    WITHIN_CHANCE = "WithinChance"
    FIDELITY_DEGRADED = "FidelityDegraded"
    PREDICTION_ERROR = "PredictionError"
    COVERAGE_DROP = "CoverageDrop"
    INSUFFICIENT_VALIDATIONS = "InsufficientValidations"
    NOT_VALIDATED = "NotValidated"
    NO_NEW_DATA = "NoNewData"
    TOO_FEW_SAMPLES = "TooFewSamples"
    DATA_TOO_OLD = "DataTooOld"
    DATA_NOT_CHECKED = "DataNotChecked"
    VERSION_PINNED = "VersionPinned"
    INVALID_SCHEDULE = "InvalidSchedule"
    ARCHIVE_UNREACHABLE = "ArchiveUnreachable"
    OUTCOMES_MISSING = "OutcomesMissing"
    OUTCOMES_NOT_COMPARED = "OutcomesNotCompared"
    # Of a Simulation.
    CHECKS_PASSED = "ChecksPassed"
    TWIN_NOT_FAITHFUL = "TwinNotFaithful"
    MODEL_NOT_FOUND = "ModelNotFound"
    MODEL_NOT_READY = "ModelNotReady"
    UNKNOWN_ARM = "UnknownArm"
    UNKNOWN_FEATURE = "UnknownFeature"
    UNKNOWN_LEVEL = "UnknownLevel"
    ARMS_NOT_COMPARED = "ArmsNotCompared"
    EMPTY_POPULATION = "EmptyPopulation"
    OUTSIDE_SUPPORT = "OutsideSupport"
    # Of a RetrainingJob.
    MODEL_BUSY = "ModelBusy"
    MODEL_SUSPENDED = "ModelSuspended"
    COOLING_DOWN = "CoolingDown"
    AWAITING_APPROVAL = "AwaitingApproval"
    APPROVED = "Approved"
    TRAINING_FAILED = "TrainingFailed"
    REJECTED = "Rejected"
    CANCELLED = "Cancelled"
    GATE_PASSED = "GatePassed"
    NOT_BETTER = "NotBetter"
    # Of a WorkerPool.
    NAMESPACE_NOT_ALLOWED = "NamespaceNotAllowed"
    QUEUE_TAKEN = "QueueTaken"
    NAME_TAKEN = "NameTaken"
    INVALID_TEMPLATE = "InvalidTemplate"
    QUEUE_UNREACHABLE = "QueueUnreachable"
    TOO_MANY_TASKS = "TooManyTasks"
    TOO_FEW_TASKS = "TooFewTasks"
    WORKERS_READY = "WorkersReady"
    SCALED_TO_ZERO = "ScaledToZero"
    SCALING = "Scaling"
    FOLLOWING_QUEUES = "FollowingQueues"
    WITHIN_LIMITS = "WithinLimits"
    WORKERS_NOT_STARTING = "WorkersNotStarting"


ObservedGeneration = Annotated[int, Field(ge=UNOBSERVED_GENERATION, le=QUANTITY_LIMIT)]
_NAME = Annotated[str, Field(min_length=1, max_length=316, pattern=r"^[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?$")]
Word = Annotated[str, Field(min_length=1, max_length=128, pattern="^[A-Za-z]([A-Za-z0-9_]*[A-Za-z0-9])?$")]


class Condition(ApiModel):
    """One observation about the object, in the form that kubectl wait, Helm and Flux understand."""

    type: _NAME = Field(description="What the condition is about, such as Ready, Reconciling or Stalled.")
    status: ConditionStatus = Field(description="True, False or Unknown.")
    reason: Word = Field(description="Why, in one stable word that scripts and alerts may rely on.")
    message: Annotated[str, Field(max_length=MESSAGE_LIMIT)] = Field(
        description="Human-readable reason, with what to do next."
    )
    last_transition_time: Timestamp | None = Field(
        default=None, description="When status last changed; a new reason or message alone does not count."
    )
    observed_generation: Count | None = Field(
        default=None, description="The generation of the object that this observation is of."
    )


Conditions = Annotated[tuple[Condition, ...], Field(max_length=CONDITIONS_LIMIT, json_schema_extra=list_map("type"))]


def find_condition(conditions: Iterable[Condition], condition_type: str) -> Condition | None:
    """Return the condition of this type, if there is one."""
    return next((condition for condition in conditions if condition.type == condition_type), None)


def set_condition(conditions: Iterable[Condition], new: Condition, now: datetime) -> tuple[Condition, ...]:
    """Put a condition in its place; its last transition is now, unless its status was the same before."""
    known = tuple(conditions)
    old = find_condition(known, new.type)
    same = old is not None and old.status == new.status and old.last_transition_time is not None
    stamped = new.replace(last_transition_time=old.last_transition_time if same and old else now)
    if old is None:
        return (*known, stamped)
    return tuple(stamped if condition.type == new.type else condition for condition in known)

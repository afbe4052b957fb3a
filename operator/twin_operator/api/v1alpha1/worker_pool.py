"""WorkerPool: Celery workers that follow their queues."""

from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, WithJsonSchema

from twin_operator.api.v1alpha1.conditions import (
    Conditions,
    WorkerPoolPhase,
)
from twin_operator.api.v1alpha1.enums import Tier
from twin_operator.api.v1alpha1.fields import Count, QueueName, Spread, Tally, Timestamp
from twin_operator.api.v1alpha1.resource import AGE, Column, Definition, Resource, Scale, Status, condition_column
from twin_operator.api.v1alpha1.schema import (
    LIST_SET,
    PRESERVE_UNKNOWN_FIELDS,
    ApiModel,
    Rule,
    list_map,
    rules,
)

QUEUES_LIMIT = 16
REPLICAS_LIMIT = 1000
"""Pods of one pool; at 64 tasks each, more than one Redis can feed."""
DAY_SECONDS = 86_400

Replicas = Annotated[int, Field(ge=0, le=REPLICAS_LIMIT)]
PodTemplate = Annotated[dict[str, Any], WithJsonSchema({"type": "object"} | PRESERVE_UNKNOWN_FIELDS)]


class Autoscaling(ApiModel):
    """How the number of workers follows the queues."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "self.minReplicas <= self.maxReplicas",
                "minReplicas must not exceed maxReplicas: raise maxReplicas or lower minReplicas",
                field_path=".minReplicas",
            )
        )
    )

    min_replicas: Replicas = Field(
        default=0, description="Workers that stay when the queues are empty; 0 scales to none."
    )
    max_replicas: Annotated[int, Field(ge=1, le=REPLICAS_LIMIT)] = Field(description="Workers at most.")
    target_drain_seconds: Annotated[int, Field(ge=1, le=DAY_SECONDS)] = Field(
        default=30, description="Seconds within which what waits should have been taken up."
    )
    scale_down_stabilization_seconds: Annotated[int, Field(ge=0, le=DAY_SECONDS)] = Field(
        default=60, description="Seconds that fewer workers must have been enough before there are fewer."
    )
    poll_seconds: Annotated[int, Field(ge=1, le=300)] = Field(
        default=2, description="Seconds between two polls of the queues."
    )


class WorkerPoolSpec(ApiModel):
    """The workers wanted."""

    tier: Tier = Field(
        default=Tier.LIGHT,
        description="Light, Medium or Heavy: a label for metrics and dashboards, without any other effect.",
    )
    queues: Annotated[
        tuple[QueueName, ...], Field(min_length=1, max_length=QUEUES_LIMIT, json_schema_extra=LIST_SET)
    ] = Field(
        description="Queues the workers take tasks from: simulations, trials, validation, training, or names "
        "used in specs. "
        "A queue has one pool (else QueueTaken)."
    )
    concurrency: Annotated[int, Field(ge=1, le=64)] = Field(
        default=1, description="Tasks that one worker does at a time."
    )
    replicas: Replicas = Field(
        default=1, description="Workers wanted, also by kubectl scale. Ignored while autoscaling is set."
    )
    autoscaling: Autoscaling | None = Field(
        default=None, description="How the number of workers follows the queues. Absent: it is replicas."
    )
    termination_grace_period_seconds: Annotated[int, Field(ge=0, le=DAY_SECONDS)] = Field(
        default=120,
        description="Seconds that a worker gets to end its tasks before it is killed; make it longer than they take.",
    )
    template: PodTemplate | None = Field(
        default=None,
        description="A partial PodTemplateSpec, merged into the worker's Pods: containers, env and volumes by "
        "name, volumeMounts by path, other lists replace. The worker's container is called worker. This is how workers "
        "get credentials, volumes with data, resources and node selectors. It is held to the rules of the Pod Security "
        "profile restricted, and may name only the service accounts, Secrets, ConfigMaps, claims and images of the "
        "chart's workerPools.allowed (else InvalidTemplate).",
    )


class QueueDepth(ApiModel):
    """What waits on one queue."""

    name: QueueName = Field(description="The queue.")
    depth: Tally = Field(default=None, description="Messages that wait, over all priorities.")
    oldest_seconds: Spread = Field(default=None, description="Seconds that the oldest of them has waited.")


class WorkerPoolStatus(Status):
    """The workers there are. Written by the operator alone."""

    phase: WorkerPoolPhase = Field(
        default=WorkerPoolPhase.PENDING,
        description="Summary for printing: Pending, Ready, Scaling, Idle or Failed. Conditions are the truth.",
    )
    conditions: Conditions = Field(
        default=(),
        description="Ready, Reconciling or Stalled while true, ScalingActive (can the queues be read) and "
        "ScalingLimited (would "
        "more or fewer workers be wanted than allowed).",
    )
    replicas: Count = Field(default=0, description="Workers there are.")
    ready_replicas: Tally = Field(default=None, description="Workers that are ready.")
    desired_replicas: Tally = Field(default=None, description="Workers wanted now.")
    selector: Annotated[str, Field(max_length=1024)] | None = Field(
        default=None, description="Label selector of the workers' Pods, for the scale subresource."
    )
    last_scale_time: Timestamp | None = Field(default=None, description="When the number wanted last changed.")
    queues: Annotated[tuple[QueueDepth, ...], Field(max_length=QUEUES_LIMIT, json_schema_extra=list_map("name"))] = (
        Field(default=(), description="What waits on each queue.")
    )
    running: Tally = Field(default=None, description="Tasks being done now.")
    arrivals_per_second: Spread = Field(default=None, description="Tasks that arrive, smoothed.")
    seconds_per_task: Spread = Field(default=None, description="Seconds that a task takes, smoothed.")
    drain_seconds: Spread = Field(default=None, description="Seconds until what waits has been taken up, at this rate.")


class WorkerPool(Resource):
    """Celery workers that take tasks from some queues, a fixed number or as many as the queues need."""

    definition: ClassVar[Definition] = Definition(
        kind="WorkerPool",
        plural="workerpools",
        short_names=("wpool",),
        columns=(
            Column("Phase", ".status.phase", description="Where the pool is."),
            Column("Queues", ".spec.queues", description="Queues it takes tasks from."),
            Column("Ready", ".status.readyReplicas", "integer", "Workers that are ready."),
            Column("Desired", ".status.desiredReplicas", "integer", "Workers wanted now."),
            Column("Running", ".status.running", "integer", "Tasks being done now."),
            AGE,
            Column("Tier", ".spec.tier", description="A label for dashboards.", wide=True),
            Column("Concurrency", ".spec.concurrency", "integer", "Tasks at a time in one worker.", wide=True),
            Column("Min", ".spec.autoscaling.minReplicas", "integer", "Workers at least.", wide=True),
            Column("Max", ".spec.autoscaling.maxReplicas", "integer", "Workers at most.", wide=True),
            Column("Drain", ".status.drainSeconds", "number", "Seconds until the queues are drained.", wide=True),
            condition_column("Reason", "Ready", "reason", wide=True),
            condition_column("Message", "Ready", "message", wide=True),
        ),
        selectable=(".status.phase",),
        scale=Scale(".spec.replicas", ".status.replicas", ".status.selector"),
        rules=(
            Rule(
                "size(self.metadata.name) <= 63",
                "metadata.name is a label of the pool's Pods: write at most 63 characters",
            ),
        ),
    )

    kind: str = "WorkerPool"
    spec: WorkerPoolSpec
    status: WorkerPoolStatus = Field(
        default=WorkerPoolStatus(), description="The workers there are. Written by the operator alone."
    )

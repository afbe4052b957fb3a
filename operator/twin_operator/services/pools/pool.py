"""What the operator remembers of a WorkerPool between two looks. After a restart all of it is found again."""

from dataclasses import dataclass, field

from twin_operator.domain.scaling import QueueLoad, ScalingDecision, Want
from twin_operator.services.pools.loads import Arrivals
from twin_operator.services.runs.run import JSON


@dataclass(frozen=True)
class Applied:
    """The Deployment as it was last applied: the digest of what was wanted, and the generation that it had after."""

    digest: str
    generation: int


@dataclass(frozen=True)
class RefusedTemplate:
    """A wanted Deployment that the API server did not take: its digest, why, and when (seconds since the epoch)."""

    digest: str
    message: str
    at: float


@dataclass
class Pool:
    """One pool. Times are seconds since the epoch.

    Attributes:
        body: as last seen or written.
        deployment: as last seen or written; None where there is none.
        looked_up: whether the API server was asked for a Deployment.
        loads: the queues as last read; empty until then.
        window: the looks that the next decision needs.
        unreachable_since: since when the queues cannot be read.
        limited_since: since when more workers are wanted than allowed.
        limit_told: whether that was told.
        draining: workers that are flagged and there; None until their Pods were looked at.
        scaled: when the number of workers wanted last changed.
        trouble: what keeps workers from becoming ready, and when that was looked at.
        figures_written: when status was last written.
    """

    body: JSON
    deployment: JSON | None = None
    looked_up: bool = False
    applied: Applied | None = None
    refused: RefusedTemplate | None = None
    arrivals: dict[str, Arrivals] = field(default_factory=dict)
    loads: tuple[QueueLoad, ...] = ()
    decision: ScalingDecision | None = None
    window: tuple[Want, ...] = ()
    unreachable_since: float | None = None
    limited_since: float | None = None
    limit_told: bool = False
    draining: frozenset[str] | None = None
    scaled: float | None = None
    trouble: str | None = None
    trouble_at: float = 0.0
    figures_written: float = 0.0

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.body["metadata"]["namespace"], self.body["metadata"]["name"]

    @property
    def spec(self) -> JSON:
        """The spec."""
        spec: JSON = self.body["spec"]
        return spec

    @property
    def autoscaled(self) -> bool:
        """Whether the number of workers follows the queues."""
        return bool(self.spec.get("autoscaling"))

    @property
    def tier(self) -> str:
        """The label for metrics."""
        return str(self.spec.get("tier", "Light"))

    def take_deployment(self, body: JSON | None) -> None:
        """Take note of the Deployment, unless what is known is newer: watches are behind our own writes."""
        if body is None or not _older(body, self.deployment):
            self.deployment = body

    def lose_deployment(self, uid: str) -> None:
        """Take note that a Deployment was deleted; a newer one of its name is not."""
        if self.deployment is not None and self.deployment["metadata"]["uid"] == uid:
            self.deployment = None


def _older(one: JSON, other: JSON | None) -> bool:
    if other is None or one["metadata"]["uid"] != other["metadata"]["uid"]:
        return False
    return bool(one["metadata"]["generation"] < other["metadata"]["generation"])

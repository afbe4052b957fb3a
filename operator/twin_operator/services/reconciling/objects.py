"""Views of the custom resources that several services read: what an object says, and nothing of what to do."""

from dataclasses import dataclass

from twin_operator.api.v1alpha1 import ObjectMeta
from twin_operator.services.runs.run import JSON
from twin_operator.services.runs.trace_context import RunTrace
from twin_operator.services.runs.tracing import trace_of

TERMINAL = frozenset({"Succeeded", "Failed"})
DEFAULT_BACKOFF_LIMIT = 3  # retries, as the schema has it


@dataclass(frozen=True)
class Simulation:
    """A Simulation as the watch delivered it."""

    body: JSON

    @property
    def uid(self) -> str:
        """The object's identity, and its run's."""
        return str(self.body["metadata"]["uid"])

    @property
    def namespace(self) -> str:
        """Where it lives."""
        return str(self.body["metadata"]["namespace"])

    @property
    def name(self) -> str:
        """What it is called."""
        return str(self.body["metadata"]["name"])

    @property
    def resource_version(self) -> str:
        """The version of the object that was seen last."""
        return str(self.body["metadata"]["resourceVersion"])

    @property
    def generation(self) -> int:
        """metadata.generation: the API server raises it with each change of the spec."""
        return int(self.body["metadata"].get("generation", 1))

    @property
    def spec(self) -> JSON:
        """The spec."""
        spec: JSON = self.body["spec"]
        return spec

    @property
    def status(self) -> JSON:
        """What was written last."""
        status: JSON = self.body.get("status") or {}
        return status

    @property
    def finished(self) -> bool:
        """Whether it has its answer or never will."""
        return self.status.get("phase") in TERMINAL

    @property
    def model(self) -> tuple[str, str]:
        """Namespace and name of the TwinModel that is asked."""
        return self.namespace, str(self.spec["modelRef"]["name"])

    @property
    def queue(self) -> str:
        """The queue that its task goes to."""
        return str(self.spec.get("queue") or "simulations")

    @property
    def trace(self) -> RunTrace:
        """The trace that its run belongs to."""
        return trace_of(ObjectMeta.model_validate(self.body["metadata"]))

    @property
    def attempt_limit(self) -> int:
        """How many attempts may start."""
        return int(self.spec.get("backoffLimit", DEFAULT_BACKOFF_LIMIT)) + 1

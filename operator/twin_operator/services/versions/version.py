"""A version that can answer a Simulation, or why there is none: still waited for, or never to be."""

from dataclasses import dataclass

from twin_operator.api.v1alpha1.conditions import Reason, SimulationPhase
from twin_operator.domain.twin.tau_mixture import Contrast
from twin_operator.services.runs.run import Outcome


@dataclass(frozen=True)
class Version:
    """A version of a twin that can be asked: what the operator knows of it without its bank."""

    registered_model: str
    version: str
    arms: tuple[str, ...]
    features: dict[str, str]
    contrasts: tuple[Contrast, ...]

    def contrast(self, arm: str, against: str | None) -> Contrast:
        """Return the comparison that is asked for.

        Raises:
            Refusal: `UnknownArm` or `ArmsNotCompared`.
        """
        other = against or self.arms[0]
        for name in (arm, other):
            if name not in self.arms:
                raise Refusal(Reason.UNKNOWN_ARM, f"The twin knows no arm {name!r}; it knows {', '.join(self.arms)}.")
        if arm == other:
            raise Refusal(Reason.UNKNOWN_ARM, f"{arm!r} cannot be compared with itself; name another arm in `against`.")
        for contrast in self.contrasts:
            if (contrast.arm, contrast.against) == (arm, other):
                return contrast
        raise Refusal(Reason.ARMS_NOT_COMPARED, f"No past experiment randomised both {arm!r} and {other!r}.")


class Refusal(Exception):  # noqa: N818 - an answer, not a fault
    """A Simulation that no worker can answer."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.outcome = Outcome(reason, message)


@dataclass(frozen=True)
class Waiting:
    """It waits: for its model, for a worker, or because it is suspended."""

    phase: SimulationPhase
    reason: Reason
    message: str

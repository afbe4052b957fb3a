"""A version that can answer a Simulation, or why there is none: not yet, or never."""

from collections.abc import Mapping
from dataclasses import dataclass

from twin_operator.api.v1alpha1.conditions import Reason, SimulationPhase
from twin_operator.domain.table.columns import FeatureType
from twin_operator.domain.twin.tau_mixture import Contrast
from twin_operator.services.runs.run import Outcome


@dataclass(frozen=True)
class Version:
    """What the operator knows of a version of a twin without its bank."""

    registered_model: str
    version: str
    arms: tuple[str, ...]
    features: Mapping[str, FeatureType]
    contrasts: tuple[Contrast, ...]

    def contrast(self, arm: str, against: str | None) -> Contrast:
        """Return the comparison of `arm` with `against`, or with the control.

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


class Refusal(Exception):  # noqa: N818 - the result of a Simulation, not an error of the operator
    """A Simulation that no worker can answer."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.outcome = Outcome(reason, message)


@dataclass(frozen=True)
class Waiting:
    """A Simulation waits: for its model, for a worker, or because it is suspended."""

    phase: SimulationPhase
    reason: Reason
    message: str

"""What the models have and no release does yet: from here CRDs, admission and the operator know it.

A field of spec is refused at admission; the operator ends a stored object that has it with `NotSupported`. A field of
status is not in the CRD. What is built goes from the list in the same change.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from twin_operator.api.v1alpha1.simulation import Simulation

NOT_BUILT: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "Simulation": MappingProxyType(
            {
                "spec.population.match": "reweighting to given margins",
                "spec.subgroups": "effects by subgroup",
                "spec.trial.unitsPerArm": "playing a trial",
                "spec.trial.replications": "playing a trial",
                "status.cached": "answers from a cache",
                "status.subgroups": "effects by subgroup",
                "status.heterogeneity": "effects by subgroup",
                "status.trial.simulated": "playing a trial",
            }
        ),
    }
)
"""By kind: the path of a field, and what it is for."""


def not_built(simulation: Simulation) -> Iterator[str]:
    """Yield the paths that the spec of a Simulation uses and that are not built, in the order of the list."""
    spec = simulation.spec
    used = {
        "spec.population.match": spec.population.match,
        "spec.subgroups": spec.subgroups,
        "spec.trial.unitsPerArm": spec.trial.units_per_arm,
        "spec.trial.replications": spec.trial.replications,
    }
    return (path for path in NOT_BUILT[simulation.kind] if used.get(path))

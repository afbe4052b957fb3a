"""What the models have and no release does yet: from here CRDs, admission and the operator know it.

A field of spec is refused at admission; the operator ends a stored object that has it with `NotSupported`. A field of
status is not in the CRD. What is built goes from the list in the same change.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from twin_operator.api.v1alpha1.schema import ApiModel

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


def not_built(kind: str, spec: ApiModel) -> Iterator[str]:
    """Yield the paths that a spec uses and that are not built, in the order of the list."""
    content = {"spec": spec.manifest()}
    for path in NOT_BUILT.get(kind, {}):
        value: object = content
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value:
            yield path

"""The task that answers a Simulation: everything that decides the answer is bound into it."""

from dataclasses import asdict

from twin_operator.domain.table.columns import Uncertainty
from twin_operator.domain.twin.tau_mixture import TauWeights
from twin_operator.services.reconciling.objects import Simulation
from twin_operator.services.runs.payloads import weights_json
from twin_operator.services.runs.run import Target, Task, TaskKind
from twin_operator.services.versions.version import Version

KIND = "Simulation"


def simulation_task(
    simulation: Simulation, version: Version, uncertainty: Uncertainty, weights: TauWeights, deadline: float | None
) -> Task:
    """Return the task; `deadline` in seconds since the epoch."""
    return Task(
        run=simulation.uid,
        kind=TaskKind.SIMULATE,
        queue=simulation.queue,
        target=Target(KIND, simulation.namespace, simulation.name, simulation.uid),
        attempt_limit=simulation.attempt_limit,
        deadline=deadline,
        priority=int(simulation.spec.get("priority", 5)),
        trace=simulation.trace,
        payload={
            "spec": simulation.spec,
            "registeredModel": version.registered_model,
            "version": version.version,
            "uncertainty": asdict(uncertainty),
            "weights": weights_json(weights),
        },
    )

"""Many Simulations of different kinds, asked and answered: for the comparison of what is archived with the statuses."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from tests.fakes.installation import Installation
from tests.fakes.ready_twin import install_twin, simulation
from tests.unit.services.letters import observe
from tests.unit.services.simulations.recorded import RECORDED
from twin_operator.services.runs.run import JSON, Outcome, Task

BATCH: Final = 60  # questions at once: a worker of the tests takes at most 100 tasks before others have their turn
TWINS: Final = ("plain", "gated", "gated-elsewhere", "warned", "first-release", "missed")
STRICT: Final = {"threshold": 0, "minValidations": 2, "maxMeanRelativeError": 0.1, "minIntervalCoverage": 0}
SURE: Final = {"betweenExperimentScale": 0.001, "acceptPrior": True}
MISSES: Final = 8  # outcomes far from their predictions: enough to be no chance
LEAK: Final = "age tells a unit's arm."
ENDED: Final = ("Succeeded", "Failed")


async def ask(site: Installation, count: int, seed: int = 0) -> list[JSON]:
    """Ask so many questions of twins in different states; return the objects when all have ended."""
    install_twins(site)
    site.employ(lambda task: answer(site, task))
    await miss(site)
    rng, names = np.random.default_rng(seed), [f"question-{number}" for number in range(count)]
    for start in range(0, count, BATCH):
        batch = names[start : start + BATCH]
        for name in batch:
            site.apply(simulation(name, model=str(rng.choice(TWINS)), **question(rng)))
        await site.until(partial(all_ended, site, batch))
    return [site.get("Simulation", name) for name in names]


def all_ended(site: Installation, names: Sequence[str]) -> bool:
    return all(site.status("Simulation", name).get("phase") in ENDED for name in names)


def install_twins(site: Installation) -> None:
    """Have a twin for each state that the operator takes into account when it writes an answer."""
    for name in TWINS:
        install_twin(site, name, fidelity=STRICT, uncertainty=SURE)
    gate = {"type": "AssignmentNotRandom", "arm": "letter", "message": LEAK}
    site.cluster.patch_status("TwinModel", "default", "gated", _gates({**gate, "against": "none"}))
    site.cluster.patch_status("TwinModel", "default", "gated-elsewhere", _gates({**gate, "against": "call"}))
    site.cluster.patch_status("TwinModel", "default", "warned", _condition("DataWarning", "12 rows without an arm."))
    site.cluster.patch_status("TwinModel", "default", "first-release", _condition("AssignmentNotRandom", LEAK))


def _gates(*gates: JSON) -> JSON:
    return {"status": {"model": {"gates": list(gates)}}}


def _condition(kind: str, message: str) -> JSON:
    condition = {"type": kind, "status": "True", "reason": kind, "message": message}
    return {"status": {"conditions": [condition]}}


async def miss(site: Installation) -> None:
    """Record outcomes that contradict a twin, until its condition Faithful is False."""
    for number in range(MISSES):
        observe(site, number, effect=-0.5, model="missed")
    await site.until(lambda: site.condition("TwinModel", "missed", "Faithful").get("status") == "False")


def answer(site: Installation, task: Task) -> Outcome:
    """Answer as a worker of this release or, for one seed in three, of 0.1.0; for one in ten the attempt fails."""
    seed = int(task.payload["spec"].get("seed", 0))
    if seed % 10 == 9:
        raise MemoryError("the worker has no memory left")
    if seed % 3 == 2:
        return of_first_release(seed, task)
    return site.answer(task)


def of_first_release(seed: int, task: Task) -> Outcome:
    """Return a recorded answer, as if it were one to this task."""
    recorded = list(RECORDED.values())[seed % len(RECORDED)].answer
    bound = {"registeredModel": task.payload["registeredModel"], "modelVersion": task.payload["version"]}
    return Outcome(recorded.reason, recorded.message, {**recorded.value, **bound})


def question(rng: np.random.Generator) -> JSON:
    """Return the spec of a question, some of which have no answer."""
    spec: JSON = {
        "intervention": _pick(rng, INTERVENTIONS, [0.7, 0.15, 0.05, 0.05, 0.05]),
        "decision": {
            "minimumEffect": float(rng.choice([-1.5, 0.0, 0.0, 0.5, 0.9, 1.1, 3.0])),
            "confidence": float(rng.choice([0.6, 0.8, 0.95, 0.99])),
        },
        "trial": _pick(rng, TRIALS),
        "population": _pick(rng, POPULATIONS),
        "seed": int(rng.integers(1000)),
        "backoffLimit": 0,
    }
    if rng.random() < 0.1:
        spec["observed"] = {"experiment": "autumn", "effect": float(rng.normal()), "standardError": 0.1}
    return spec


def _pick(rng: np.random.Generator, choices: tuple[JSON, ...], weights: list[float] | None = None) -> JSON:
    return choices[int(rng.choice(len(choices), p=weights))]


def _where(feature: str, operator: str, *values: str) -> JSON:
    return {"where": [{"feature": feature, "operator": operator, "values": list(values)}]}


INTERVENTIONS: Final[tuple[JSON, ...]] = (
    {"arm": "letter"},
    {"arm": "none", "against": "letter"},
    {"arm": "letter", "against": "none"},
    {"arm": "call"},
    {"arm": "letter", "against": "letter"},
)
TRIALS: Final[tuple[JSON, ...]] = (
    {"power": 0.8},
    {"power": 0.95},
    {"power": 0.8, "intraclassCorrelation": 0.05, "clusterSize": 20, "clusterSizeCV": 0.4},
)
POPULATIONS: Final[tuple[JSON, ...]] = (
    {},
    {},
    {"size": 500},
    {"size": 20_000},
    {**_where("region", "NotIn", "west"), "size": 5_000},
    _where("region", "In", "north"),
    _where("age", "GreaterThan", "55"),
    _where("age", "GreaterThan", "67"),
    _where("age", "LessThan", "-5"),
    _where("region", "In", "Atlantis"),
    _where("wings", "In", "2"),
)


def as_written(status: JSON) -> Any:
    """Return a status without what the operator writes again when the outcome is known."""
    kept = {name: value for name, value in status.items() if name not in {"fidelity", "observedGeneration"}}
    conditions = [
        {name: value for name, value in each.items() if name != "observedGeneration"} for each in kept["conditions"]
    ]
    return {**kept, "conditions": conditions}

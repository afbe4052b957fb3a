"""A TwinModel whose version serves from the start, with a small real bank behind it: no test waits for a training."""

from functools import cache
from typing import Any, Final

from tests.fakes.cluster import CLUSTER_UID
from tests.fakes.installation import NAMESPACE, Installation
from tests.unit.domain.tables import trial
from twin_operator.api.v1alpha1 import API_VERSION, TwinModel
from twin_operator.domain.learning.training_plan import TrainingPlan
from twin_operator.domain.twin import Bank
from twin_operator.services.reconciling.version_tags import RUN
from twin_operator.services.runs.run import JSON
from twin_operator.services.runs.times import timestamp
from twin_operator.services.runs.twin_spec import learner_of
from twin_operator.services.work.train import RawTable, learn, summarise

TWIN: Final = "customers"
ROWS: Final = 200
EFFECT: Final = 1.0


def twin_model(name: str = TWIN, namespace: str = NAMESPACE, **spec: Any) -> JSON:
    """Return a TwinModel of the table of a small randomised trial: arms `none` (the control) and `letter`."""
    columns = {
        "treatment": {"name": "arm", "control": "none"},
        "outcome": {"name": "spend", "type": "Continuous", "better": "Higher"},
        "features": [
            {"name": "age", "type": "Numeric"},
            {"name": "visits", "type": "Numeric"},
            {"name": "region", "type": "Categorical"},
        ],
    }
    learner = {"algorithm": "Linear", "folds": 3}
    content = {"data": {"uri": "file:///data/trial.csv"}, "columns": columns, "learner": learner, **spec}
    return _object("TwinModel", name, namespace, content)


def simulation(name: str = "question", namespace: str = NAMESPACE, model: str = TWIN, **spec: Any) -> JSON:
    """Return a Simulation: what would the letter do?"""
    content = {"modelRef": {"name": model}, "intervention": {"arm": "letter"}, **spec}
    return _object("Simulation", name, namespace, content)


def install_twin(
    site: Installation, name: str = TWIN, namespace: str = NAMESPACE, effect: float = EFFECT, **spec: Any
) -> JSON:
    """Register the version and create the TwinModel that says that it serves; return the object."""
    body = site.apply(twin_model(name, namespace, **spec))
    bank, summary = small_bank(effect)
    registered, uid = f"{namespace}.{name}", body["metadata"]["uid"]
    owner = f"{CLUSTER_UID}/{namespace}/{name}/{uid}"
    version = site.registry.register(registered, owner, bank, summary, {RUN: uid}, promote=True)
    return serve(site, name, version, namespace)


def serve(site: Installation, name: str, version: str, namespace: str = NAMESPACE) -> JSON:
    """Write into the status of a TwinModel that a version serves, as the operator does after a training."""
    summary = site.registry.summary(f"{namespace}.{name}", version)
    kept = {key: summary[key] for key in ("specDigest", "version", "runID", "dataDigest", "samples", "arms")}
    serving = {**kept, "trainedTime": timestamp(site.now())}
    status = {"phase": "Ready", "registeredModel": f"{namespace}.{name}", "model": serving}
    return site.cluster.patch_status("TwinModel", namespace, name, {"status": status})


@cache
def small_bank(effect: float = EFFECT) -> tuple[Bank, JSON]:
    """Return a bank, learned from 200 rows in a fraction of a second, and its summary."""
    table = trial(rows=ROWS, effect=effect)
    spec = TwinModel.model_validate(twin_model()).spec
    raw = RawTable(table, "sha256:0", ROWS)
    twin = learn(spec, raw, TrainingPlan.of(learner_of(spec)), lambda _share, _phrase: None)
    return twin.bank, summarise(twin, spec, raw, now=0.0).wire()


def _object(kind: str, name: str, namespace: str, spec: JSON) -> JSON:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}

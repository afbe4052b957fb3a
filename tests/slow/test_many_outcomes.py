"""Two hundred models and two thousand outcomes at once: all counted once, as a plain recomputation has it."""

from __future__ import annotations

import asyncio
import math
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from mlflow import MlflowClient

from tests.integration.journey import experiments
from tests.integration.journey.campaign import question
from tests.integration.journey.platform_fixture import Platform
from twin_operator.adapters.kubernetes_api.client import client_of_a_user

MODELS = 200
OUTCOMES = 10  # of each model
AT_ONCE = 16  # connections
NAMESPACE = "many"
PATH = f"/apis/twinops.dev/v1alpha1/namespaces/{NAMESPACE}"


def model_name(number: int) -> str:
    return f"model-{number}"


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """Intervals of an installation: by those of other tests two hundred TwinModels are checked every two seconds."""
    return {"TWINOPS_DATA_WATCH_SECONDS": "600", "TWINOPS_RESYNC_SECONDS": "60"}


@pytest.fixture(scope="module")
def many(platform: Platform) -> Iterator[Platform]:
    """Two hundred models that serve: one is trained, the others adopt its version under names of their own."""
    platform.kube.kubectl("create", "namespace", NAMESPACE)
    experiments.write(platform.data / "many.csv", experiments.rows(experiments.waves(5), 0.15, seed=21))
    spec = experiments.spec(f"file://{platform.data}/many.csv", retraining={"suspend": True})
    platform.apply("TwinModel", "many-first", spec)
    platform.until_phase("TwinModel", "many-first", "Ready")
    share(platform, "many-first")
    bodies = [body("TwinModel", model_name(number), spec) for number in range(MODELS)]
    asyncio.run(create(platform, "twinmodels", bodies))
    platform.kube.until(lambda: ready(platform) == MODELS, 900)
    yield platform
    platform.kube.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def body(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "twinops.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


def share(platform: Platform, trained: str) -> None:
    """Register a trained version under the name of each model, as its champion."""
    client = MlflowClient(platform.mlflow_url, platform.mlflow_url)
    version = client.get_model_version(f"{platform.namespace}.{trained}", "1")
    source = str(version.source)
    for number in range(MODELS):
        name = f"{NAMESPACE}.{model_name(number)}"
        client.create_registered_model(name, tags={"twinops.adopt": f"{NAMESPACE}/{model_name(number)}"})
        model_id = source.rpartition("/")[2]
        client.create_model_version(name, source, run_id=version.run_id, model_id=model_id, tags=dict(version.tags))
        client.set_registered_model_alias(name, "champion", "1")


def ready(platform: Platform) -> int:
    items = platform.kube.get("twinmodels", "-n", NAMESPACE)["items"]
    return sum(item["status"]["phase"] == "Ready" for item in items)


async def each(platform: Platform, work: Any, items: list[Any]) -> None:
    """Do something for each item, some at a time."""
    api, turns = client_of_a_user(await platform.configuration()), asyncio.Semaphore(AT_ONCE)

    async def one(item: Any) -> None:
        async with turns:
            await work(api, item)

    try:
        await asyncio.gather(*(one(item) for item in items))
    finally:
        await api.close()


async def create(platform: Platform, plural: str, bodies: list[dict[str, Any]]) -> None:
    await each(platform, lambda api, item: api.create(f"{PATH}/{plural}", item), bodies)


async def observe(platform: Platform, outcomes: dict[str, dict[str, Any]]) -> None:
    await each(
        platform,
        lambda api, item: api.merge(f"{PATH}/simulations/{item[0]}", {"spec": {"observed": item[1]}}),
        list(outcomes.items()),
    )


def asked(model: int, number: int) -> str:
    return f"asked-{model}-{number}"


def told(model: int, number: int) -> dict[str, Any]:
    """Return an outcome that differs from model to model and from time to time."""
    effect = 0.15 + 0.004 * ((7 * model + 3 * number) % 11 - 5)
    return {"experiment": f"later-{number}", "effect": round(effect, 4), "standardError": 0.02}


def test_two_thousand_outcomes_of_two_hundred_models_are_counted_once(many: Platform) -> None:
    pairs = [(model, number) for model in range(MODELS) for number in range(OUTCOMES)]
    asyncio.run(
        create(many, "simulations", [body("Simulation", asked(*pair), question(model_name(pair[0]))) for pair in pairs])
    )
    many.kube.until(lambda: phases(many).count("Succeeded") == len(pairs), 900)
    asyncio.run(observe(many, {asked(*pair): told(*pair) for pair in pairs}))
    many.kube.until_none(lambda: uncounted(many), 900)
    found = {item["metadata"]["name"]: item["status"]["fidelity"] for item in models(many)}
    expected = recomputed(many)
    assert len(expected) == MODELS
    for name, figures in expected.items():
        for figure, value in figures.items():
            assert found[name][figure] == pytest.approx(value, rel=1e-5), (name, figure)


def models(platform: Platform) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = platform.kube.get("twinmodels", "-n", NAMESPACE)["items"]
    return items


def uncounted(platform: Platform) -> dict[str, int]:
    """Return how many outcomes each model has that lacks some."""
    found = {
        item["metadata"]["name"]: (item["status"].get("fidelity") or {}).get("validations", 0)
        for item in models(platform)
    }
    return {name: count for name, count in found.items() if count != OUTCOMES}


def phases(platform: Platform) -> list[str]:
    text: str = platform.kube.kubectl("get", "simulations", "-n", NAMESPACE, "-o", "jsonpath={.items[*].status.phase}")
    return text.split()


def recomputed(platform: Platform) -> dict[str, dict[str, float]]:
    """Work out each model's figures from the archive's rows by the formulas alone."""
    file = platform.archive_url.removeprefix("sqlite:///")
    rows = defaultdict(list)
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
        connection.row_factory = sqlite3.Row
        for row in connection.execute("SELECT * FROM outcomes WHERE registered_model LIKE ?", (f"{NAMESPACE}.%",)):
            rows[row["registered_model"].removeprefix(f"{NAMESPACE}.")].append(dict(row))
    return {name: figures(outcomes) for name, outcomes in rows.items()}


def figures(outcomes: list[dict[str, Any]]) -> dict[str, float]:
    assert len({outcome["experiment"] for outcome in outcomes}) == len(outcomes) == OUTCOMES
    errors = [(o["observed"] - o["estimate"], o["observed_sd"]) for o in outcomes]
    sizes = [max(abs(o["observed"]), abs(o["estimate"]), o["observed_sd"]) for o in outcomes]
    excess = sum(r**2 - s**2 for r, s in errors) / len(errors)
    relative = math.sqrt(max(0.0, excess) / (sum(size**2 for size in sizes) / len(sizes)))
    coverage = sum(bool(o["covered"]) for o in outcomes) / len(outcomes)
    score = 0.7 * (1 - min(1, relative)) + 0.3 * (1 - min(1, abs(coverage - 0.95) / 0.95))
    return {
        "validations": len(outcomes),
        "meanRelativeError": relative,
        "coverage": coverage,
        "score": score,
        "bias": sum(r for r, _ in errors) / len(errors),
    }

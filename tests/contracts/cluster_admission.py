"""What the operator relies on in admission: defaults, pruning and bounds of the CustomResourceDefinitions."""

import json
from collections.abc import Awaitable, Mapping
from typing import Any, Final

import pytest

from tests.contracts.cluster_world import World
from tests.contracts.manifests import SCHEMAS, broken, full_status, laid_over, wire_path
from twin_operator.api.v1alpha1.not_built import NOT_BUILT
from twin_operator.services.reconciling.ports import Refused
from twin_operator.services.runs.run import JSON

NESTED_DEFAULTS: Final = {
    "maxReplicas": 3,
    "minReplicas": 0,
    "targetDrainSeconds": 30,
    "scaleDownStabilizationSeconds": 60,
    "pollSeconds": 2,
}
ADMITTED: Final[Mapping[str, tuple[str, JSON, str, Any]]] = {
    "a default": ("WorkerPool", {}, "spec.concurrency", 1),
    "a default of a null": ("WorkerPool", {"spec": {"concurrency": None}}, "spec.concurrency", 1),
    "a null without a default": ("Simulation", {"spec": {"queue": None}}, "spec.queue", None),
    "defaults within an object": (
        "WorkerPool",
        {"spec": {"autoscaling": {"maxReplicas": 3}}},
        "spec.autoscaling",
        NESTED_DEFAULTS,
    ),
    "no default within an absent object": ("WorkerPool", {}, "spec.autoscaling", None),
    "an unknown field of the object": ("WorkerPool", {"mood": "good"}, "mood", None),
    "an unknown field of the spec": ("WorkerPool", {"spec": {"mood": "good"}}, "spec.mood", None),
    "an unknown field within": ("Simulation", {"spec": {"modelRef": {"mood": 1}}}, "spec.modelRef", {"name": "spring"}),
    "unknown fields of a template": (
        "WorkerPool",
        {"spec": {"template": {"a": [{"b": 1}]}}},
        "spec.template",
        {"a": [{"b": 1}]},
    ),
    "a whole number with a fraction of zero": (
        "Simulation",
        {"spec": {"decision": {"minimumEffect": 2.0}}},
        "spec.decision.minimumEffect",
        2,
    ),
}
"""By name: kind, what is laid over the least manifest, a path, and what is kept there (None: nothing)."""
REFUSED: Final[Mapping[str, tuple[str, JSON, str]]] = {
    "a null in a list": ("WorkerPool", {"spec": {"queues": ["a", None]}}, "spec.queues[1]"),
    "no spec": ("WorkerPool", {"spec": None}, "spec"),
    "a boolean for a number": ("WorkerPool", {"spec": {"concurrency": True}}, "spec.concurrency"),
    "a fraction for an integer": ("WorkerPool", {"spec": {"concurrency": 1.5}}, "spec.concurrency"),
    "two equal items of a set": ("WorkerPool", {"spec": {"queues": ["a", "a"]}}, "spec.queues[1]"),
    "a newline after what matches": ("WorkerPool", {"spec": {"queues": ["a\n"]}}, "spec.queues[0]"),
}
"""By name: kind, what is laid over the least manifest, and the path that the refusal names."""


class AdmissionContract:
    """Admission, whichever cluster admits: a subclass provides the fixture `world`."""

    @pytest.mark.parametrize("case", ADMITTED)
    async def test_defaults_are_set_and_unknown_fields_dropped(self, case: str, world: World) -> None:
        kind, change, path, kept = ADMITTED[case]
        created = await world.resources.create(kind, _merged(world.manifest(kind, "one"), change))
        assert json.dumps(_at(created, path), sort_keys=True) == json.dumps(kept, sort_keys=True)  # 2 is not 2.0
        assert await world.resources.read(kind, world.namespace, "one") == created

    @pytest.mark.parametrize("case", REFUSED)
    async def test_what_the_schema_excludes_is_refused(self, case: str, world: World) -> None:
        kind, change, path = REFUSED[case]
        with pytest.raises(Refused) as refused:
            await world.resources.create(kind, _merged(world.manifest(kind, "one"), change))
        assert f"{path}: " in str(refused.value)

    @pytest.mark.parametrize("kind", SCHEMAS)
    async def test_a_spec_outside_its_bounds_is_refused(self, kind: str, world: World) -> None:
        wrong = []
        for path, value, complaint in broken(SCHEMAS[kind]["spec"], "spec"):
            if path.startswith(tuple(NOT_BUILT.get(kind, ()))):
                continue  # refused whatever its value is
            manifest = laid_over(world.full(kind, "one"), {path: value})
            wrong += await _unlike(complaint, path, world.resources.create(kind, manifest))
        assert wrong == []

    @pytest.mark.parametrize("kind", SCHEMAS)
    async def test_a_status_outside_its_bounds_is_refused(self, kind: str, world: World) -> None:
        body = await world.resources.create(kind, world.full(kind, "one"))
        status, wrong = {"status": full_status(kind)}, []
        for path, value, complaint in broken(SCHEMAS[kind]["status"], "status"):
            changed = laid_over(status, {path: value})["status"]
            wrong += await _unlike(complaint, path, world.resources.write_status(kind, body, changed))
        assert wrong == []

    @pytest.mark.parametrize("kind", SCHEMAS)
    async def test_a_status_with_every_field_is_kept_whole(self, kind: str, world: World) -> None:
        body = await world.resources.create(kind, world.full(kind, "one"))
        written = await world.resources.write_status(kind, body, full_status(kind))
        assert written["status"] == full_status(kind)

    @pytest.mark.parametrize(
        ("time", "taken"),
        [
            ("2026-05-01T12:00:00Z", True),
            ("2026-05-01T12:00:00.123456+02:00", True),
            ("2026-05-01T12:00:00", False),
            ("2026-05-01", False),
            ("2026-13-01T12:00:00Z", False),
        ],
    )
    async def test_times_are_those_of_rfc_3339(self, time: str, taken: bool, world: World) -> None:  # noqa: FBT001
        body = await world.simulation("mens")
        refusal = await _refusal(world.resources.write_status("Simulation", body, {"completionTime": time}))
        assert (not refusal) == taken


async def _unlike(complaint: str, path: str, write: Awaitable[JSON]) -> list[tuple[str, str]]:
    """Return the path and the result of a write, unless it is refused with this complaint about the path."""
    refusal = await _refusal(write)
    return [] if complaint in refusal and wire_path(path) in refusal else [(path, refusal or "taken")]


async def _refusal(write: Awaitable[JSON]) -> str:
    """Return the sentence with which a write is refused, empty where it is taken."""
    try:
        await write
    except Refused as error:
        return str(error)
    return ""


def _merged(manifest: JSON, change: JSON) -> JSON:
    """Return a manifest with maps merged; null stays null, but a null spec is none."""
    result = dict(manifest)
    for key, value in change.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = _merged(result[key], value) if both else value
    return result if result.get("spec", 1) is not None else {k: v for k, v in result.items() if k != "spec"}


def _at(body: JSON, path: str) -> Any:
    found: Any = body
    for step in path.split("."):
        found = found.get(step)
        if found is None:
            return None
    return found

"""What is known of the owner of a registered model: when it is read, for how long it is used, when it is dropped."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.fakes.cluster import CLUSTER_UID
from tests.fakes.ready_twin import twin_model
from tests.fakes.registry import InMemoryRegistry, InMemoryVersions
from twin_operator.api.v1alpha1 import TwinModel
from twin_operator.api.v1alpha1.conditions import Condition, ConditionStatus, ConditionType, Reason
from twin_operator.api.v1alpha1.twin_model_status import ServingModel
from twin_operator.services.reconciling.version_tags import OWNER
from twin_operator.services.registered_models import (
    FRESH_SECONDS,
    NOT_CHECKED,
    OTHER_NAMESPACE,
    RegisteredModels,
)

KEY: Final = ("default", "letters")
NAME: Final = "default.letters"
OTHERS: Final = "other-cluster/default/letters/uid"
ACTIVE: Final = ServingModel(version="1")


class Site:
    """A registry with the registered model of one TwinModel, and what the operator knows of it."""

    def __init__(self) -> None:
        self.registry, self.time = InMemoryRegistry(), 1_000.0
        self.requested: list[tuple[str, str]] = []
        versions = InMemoryVersions(self.registry)
        self.known = RegisteredModels(versions, CLUSTER_UID, lambda: self.time, self.requested.append)
        self.owned(by=f"{CLUSTER_UID}/default/letters/u")

    def owned(self, *, by: str) -> None:
        if self.registry.registered_model(NAME) is None:
            self.registry.create_foreign(NAME)
        self.registry.set_tag(NAME, OWNER, by)

    def is_away(self, *, away: bool = True) -> None:
        self.registry.reachable = not away


def model(uid: str = "u", status: dict[str, Any] | None = None, **spec: Any) -> TwinModel:
    parsed = TwinModel.model_validate(twin_model("letters", **spec))
    found = parsed.replace(metadata=parsed.metadata.replace(uid=uid))
    return found.replace(status=found.status.replace(**(status or {})))


def stalled(reason: Reason) -> Condition:
    return Condition(type=ConditionType.STALLED, status=ConditionStatus.TRUE, reason=reason, message="It is another's.")


@pytest.mark.parametrize(
    "of_other", [model(registeredModel="payments.letters"), model(status={"registered_model": "payments.letters"})]
)
async def test_a_name_of_another_namespace_is_refused_whatever_the_registry_has(of_other: TwinModel) -> None:
    site = Site()
    await site.known.check(of_other)
    assert site.known.refusal(of_other) == OTHER_NAMESPACE


async def test_a_model_that_was_never_checked_may_not_use_a_version_and_is_checked_soon() -> None:
    site = Site()
    assert (site.known.refusal(model()), site.requested) == (NOT_CHECKED, [KEY])


async def test_a_fresh_answer_is_used_without_another_read() -> None:
    site = Site()
    await site.known.check(model())
    site.time += FRESH_SECONDS - 1
    assert (site.known.refusal(model()), site.requested) == (None, [])


async def test_an_older_answer_is_used_and_one_read_is_requested() -> None:
    site = Site()
    await site.known.check(model())
    site.time += FRESH_SECONDS
    assert [site.known.refusal(model()) for _ in range(3)] == [None, None, None]
    assert site.requested == [KEY]
    site.time += FRESH_SECONDS
    site.known.refusal(model())
    assert site.requested == [KEY, KEY]


@pytest.mark.parametrize(
    ("now", "seconds", "refused"),
    [(False, FRESH_SECONDS - 1, False), (False, FRESH_SECONDS, True), (True, FRESH_SECONDS - 1, True)],
)
async def test_a_check_reads_again_what_is_old_or_is_needed_now(*, now: bool, seconds: float, refused: bool) -> None:
    site = Site()
    await site.known.check(model())
    site.owned(by=OTHERS)
    site.time += seconds
    assert (await site.known.check(model(), now=now) is not None) is refused
    assert (site.known.refusal(model()) is not None) is refused


@pytest.mark.parametrize("changed", [model(uid="made-again"), model(registeredModel="letters")])
async def test_what_is_known_of_another_object_or_name_is_not_used(changed: TwinModel) -> None:
    site = Site()
    await site.known.check(model())
    assert site.known.refusal(changed) == NOT_CHECKED


async def test_nothing_is_known_of_a_model_that_was_deleted() -> None:
    site = Site()
    await site.known.check(model())
    site.known.forget(KEY)
    assert site.known.refusal(model()) == NOT_CHECKED


async def test_the_last_answer_of_a_registry_that_is_away_stands() -> None:
    site = Site()
    site.owned(by=OTHERS)
    refusal = await site.known.check(model())
    site.is_away()
    site.time += FRESH_SECONDS
    assert refusal is not None
    assert await site.known.check(model()) == refusal


async def test_a_registry_that_is_away_is_not_asked_again_at_once() -> None:
    site = Site()
    site.is_away()
    await site.known.check(model(status={"model": ACTIVE, "registered_model": NAME}))
    site.is_away(away=False)
    site.owned(by=OTHERS)
    assert await site.known.check(model(status={"model": ACTIVE, "registered_model": NAME})) is None


@pytest.mark.parametrize(
    ("status", "refusal"),
    [
        ({}, NOT_CHECKED),
        ({"model": ACTIVE}, NOT_CHECKED),
        ({"registered_model": NAME}, NOT_CHECKED),
        ({"model": ACTIVE, "registered_model": "letters"}, NOT_CHECKED),
        ({"model": ACTIVE, "registered_model": NAME}, None),
        ({"conditions": (stalled(Reason.REGISTERED_MODEL_TAKEN),)}, "It is another's."),
        ({"conditions": (stalled(Reason.DATA_INVALID),)}, NOT_CHECKED),
    ],
)
async def test_while_the_registry_is_away_from_the_start_the_status_says_whose_it_is(
    status: dict[str, Any], refusal: str | None
) -> None:
    site = Site()
    site.is_away()
    await site.known.check(model(status=status))
    assert site.known.refusal(model(status=status)) == refusal


async def test_whose_outcomes_a_registered_model_has_is_read_again_after_a_while() -> None:
    site = Site()
    assert await site.known.holds(KEY, NAME)
    site.owned(by=OTHERS)
    site.time += FRESH_SECONDS - 1
    assert await site.known.holds(KEY, NAME)
    site.time += 1
    assert not await site.known.holds(KEY, NAME)


async def test_whose_outcomes_a_registered_model_has_stands_while_the_registry_is_away() -> None:
    site = Site()
    site.owned(by=OTHERS)
    assert not await site.known.holds(KEY, NAME)
    site.is_away()
    site.time += FRESH_SECONDS
    assert not await site.known.holds(KEY, NAME)

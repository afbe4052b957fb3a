"""What becomes of a release's Secrets that are absent, present, present in part, or created by another Job."""

import asyncio
from collections.abc import Sequence
from itertools import count

import pytest

from tests.fakes.cluster import InMemoryCluster
from tests.fakes.secret_store import InMemorySecrets
from twin_operator.services.generated_secrets import (
    Content,
    GeneratedSecret,
    SecretCreation,
    SecretType,
    UnusableSecret,
)

HOME, POOLS = "twins", ("east", "west")
SIGNING, REDIS = "twins-signing", "twins-redis"


@pytest.fixture
def store() -> InMemorySecrets:
    return InMemorySecrets(InMemoryCluster(lambda: 1_800_000_000.0))


def wanted(prefix: str = "new") -> list[GeneratedSecret]:
    """Return a signing key with copies, and passwords; values of different calls differ by `prefix`."""
    numbers = count(1)

    def values(*keys: str) -> Content:
        return {key: f"{prefix}-{next(numbers)}".encode() for key in keys}

    return [
        GeneratedSecret(SIGNING, SecretType.OPAQUE, ("key",), lambda: values("key"), POOLS),
        GeneratedSecret(REDIS, SecretType.OPAQUE, ("operator", "worker"), lambda: values("operator", "worker"), ()),
    ]


async def created(store: InMemorySecrets, secrets: Sequence[GeneratedSecret]) -> list[str]:
    return [str(outcome) async for outcome in SecretCreation(store, HOME).create_absent(secrets)]


async def test_what_is_absent_is_created_and_copied_with_the_same_value(store: InMemorySecrets) -> None:
    lines = await created(store, wanted())
    assert lines == [
        "created Secret twins-signing in namespace twins",
        "created Secret twins-signing in namespace east",
        "created Secret twins-signing in namespace west",
        "created Secret twins-redis in namespace twins",
    ]
    assert {place: store.content(*place.split("/")) for place in store.places()} == {
        "east/twins-signing": {"key": b"new-1"},
        "twins/twins-redis": {"operator": b"new-2", "worker": b"new-3"},
        "twins/twins-signing": {"key": b"new-1"},
        "west/twins-signing": {"key": b"new-1"},
    }


async def test_a_second_run_changes_nothing(store: InMemorySecrets) -> None:
    await created(store, wanted())
    before = store.cluster.objects("Secret")
    assert all(line.startswith("kept ") for line in await created(store, wanted("other")))
    assert store.cluster.objects("Secret") == before


async def test_what_exists_is_kept_and_the_rest_is_created(store: InMemorySecrets) -> None:
    await store.create(HOME, SIGNING, SecretType.OPAQUE, {"key": b"old", "previous": b"older"})
    await store.create("west", SIGNING, SecretType.OPAQUE, {"key": b"old"})  # `previous` may be gone there
    await created(store, wanted())
    assert store.content("east", SIGNING) == {"key": b"old", "previous": b"older"}
    assert store.content("west", SIGNING) == {"key": b"old"}
    assert store.content(HOME, REDIS) == {"operator": b"new-1", "worker": b"new-2"}


@pytest.mark.parametrize("content", [{"operator": b"a"}, {"operator": b"a", "worker": b""}, {}])
async def test_a_secret_without_a_value_is_refused_and_stays(store: InMemorySecrets, content: Content) -> None:
    await store.create(HOME, REDIS, SecretType.OPAQUE, content)
    with pytest.raises(UnusableSecret, match=r"^Secret twins-redis in namespace twins has no value for .*worker: add"):
        await created(store, wanted())
    assert store.content(HOME, REDIS) == content


async def test_a_copy_that_differs_is_refused_and_stays(store: InMemorySecrets) -> None:
    await store.create("west", SIGNING, SecretType.OPAQUE, {"key": b"foreign"})
    with pytest.raises(UnusableSecret, match="in namespace west differs from that in namespace twins: delete it"):
        await created(store, wanted())
    assert store.content("west", SIGNING) == {"key": b"foreign"}
    assert store.content(HOME, SIGNING) == {"key": b"new-1"}  # never taken from a namespace of pools


async def test_two_jobs_at_once_agree_on_every_value(store: InMemorySecrets) -> None:
    lines = await asyncio.gather(*(created(store, wanted(prefix)) for prefix in ("one", "two")))
    creations = [line for line in (*lines[0], *lines[1]) if line.startswith("created ")]
    assert len(creations) == len(set(creations)) == len(store.places())
    assert store.content("east", SIGNING) == store.content("west", SIGNING) == store.content(HOME, SIGNING)


async def test_no_outcome_shows_a_value(store: InMemorySecrets) -> None:
    assert "new-" not in "".join([*await created(store, wanted()), *await created(store, wanted())])

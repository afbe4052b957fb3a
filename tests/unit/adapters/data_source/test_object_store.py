"""Keys as the libraries of the stores read them; none of these tests needs a store."""

from typing import Any

import pytest
from adlfs import AzureBlobFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import _registry
from gcsfs import GCSFileSystem
from s3fs import S3FileSystem

from twin_operator.adapters.data_source.address import ObjectAddress, parse_address
from twin_operator.adapters.data_source.object_store import AmbiguousKeyError, check_key, object_facts, open_object

STORES = {
    "s3": lambda: S3FileSystem(anon=True, skip_instance_cache=True),
    "gs": lambda: GCSFileSystem(token="anon", skip_instance_cache=True),  # noqa: S106 - the name of a mode
    "abfs": lambda: AzureBlobFileSystem(account_name="account", anon=True, skip_instance_cache=True),
}
KEYS = ["a/x.csv", "a#b.parquet", "a?b.parquet", "a[1].csv", "a//b", "/[x", "[/x", "x.csv?versionId=3", "x.csv#123"]


def check(scheme: str, key: str) -> None:
    address = parse_address(f"{scheme}://bucket/{key}")
    assert isinstance(address, ObjectAddress)
    store: Any = STORES[scheme]()
    check_key(store, store._strip_protocol(address.text), address)  # noqa: SLF001 - as fsspec.core.url_to_fs does


@pytest.mark.parametrize("scheme", STORES)
@pytest.mark.parametrize("key", KEYS)
def test_a_library_reads_the_key_that_was_checked(scheme: str, key: str) -> None:
    check(scheme, key)


@pytest.mark.parametrize(("scheme", "key"), [("abfs", "a?b#c.csv"), ("s3", "folder/")])
def test_a_key_that_a_library_reads_in_another_way_is_refused(scheme: str, key: str) -> None:
    with pytest.raises(AmbiguousKeyError):
        check(scheme, key)


def test_an_object_is_opened_under_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    class Store(MemoryFileSystem):  # type: ignore[misc]  # fsspec has no types
        protocol = "s3"
        store: dict[str, Any] = {}  # noqa: RUF012 - of fsspec
        pseudo_dirs = [""]  # noqa: RUF012 - of fsspec

        @classmethod
        def _strip_protocol(cls, path: str) -> str:
            return path.removeprefix("s3://")

    monkeypatch.setitem(_registry, "s3", Store)  # a registration cannot be taken back
    Store().pipe("bucket/a#b?[1].csv", b"rows")
    address = parse_address("s3://bucket/a#b?[1].csv")
    assert isinstance(address, ObjectAddress)
    with open_object(address) as file:
        assert file.read() == b"rows"
    assert object_facts(address)["size"] == 4

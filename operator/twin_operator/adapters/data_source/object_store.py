"""Opens an object of a store by the store's fsspec implementation."""

from collections.abc import Mapping
from typing import IO, Any

import fsspec

from twin_operator.adapters.data_source.address import ObjectAddress


class AmbiguousKeyError(Exception):
    """The store's library reads another key from an address than we do."""


def open_object(address: ObjectAddress) -> IO[bytes]:
    """Return the open object; raises whatever the store's library raises."""
    store, path = _located(address)
    opened: IO[bytes] = store.open(path, "rb")
    return opened


def object_facts(address: ObjectAddress) -> Mapping[str, Any]:
    """Return what the store says of the object, under the store's own names."""
    store, path = _located(address)
    store.invalidate_cache(path)
    facts: Mapping[str, Any] = store.info(path)
    return facts


def _located(address: ObjectAddress) -> tuple[Any, str]:
    store, path = fsspec.core.url_to_fs(address.text)
    check_key(store, path, address)
    return store, path


def check_key(store: Any, path: str, address: ObjectAddress) -> None:  # noqa: ANN401 - fsspec has no types
    """Return where `path` names the object of `address` to `store`, perhaps in a version after `?` or `#`.

    Raises:
        AmbiguousKeyError: otherwise.
    """
    opened = "/".join(store.split_path(path)[:2]) if hasattr(store, "split_path") else path
    if not address.path.startswith(opened) or address.path[len(opened) :][:1] not in {"", "?", "#"}:
        raise AmbiguousKeyError(address.text)

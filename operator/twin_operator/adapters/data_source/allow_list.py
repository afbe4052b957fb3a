"""Which addresses the installation allows to be read, and for the TwinModels of which namespaces."""

import os
import posixpath
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from yarl import URL

from twin_operator.adapters.data_source.address import WEB_SCHEMES, Address, WebAddress
from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.services.reconciling.errors import Stalled


@dataclass(frozen=True)
class AllowedPrefix:
    """Addresses that may be read: those that begin with `prefix`, such as `file:///data/`.

    Attributes:
        prefix: what the address begins with. Of http and https the host is compared as a whole.
        namespaces: for whose TwinModels they may be read; None for those of every namespace.
    """

    prefix: str
    namespaces: Collection[str] | None = None

    def admits(self, namespace: str) -> bool:
        """Whether these addresses may be read for a TwinModel of `namespace`."""
        return self.namespaces is None or namespace in self.namespaces

    def fits(self, address: Address) -> bool:
        """Whether an address begins with the prefix."""
        if not isinstance(address, WebAddress):
            return address.text.startswith(self.prefix)
        web = _web_prefix(self.prefix)
        return web is not None and web.fits(address.url)

    def names_host(self) -> bool:
        """Whether the prefix is of one http or https server."""
        web = _web_prefix(self.prefix)
        return web is not None and web.host is not None

    def real_lengths(self, real_path: str) -> Iterator[int]:
        """Yield how long the prefix is without symbolic links, for each way in which `real_path` begins with it."""
        scheme, _, path = self.prefix.partition("://")
        if scheme == "file" and path.startswith("/"):
            yield from (len(real) for real in _real_prefixes(path) if _begins(real_path, real))


@dataclass(frozen=True)
class _WebPrefix:
    """The parts of an http or https prefix; None for those that it leaves open."""

    scheme: str
    host: str | None
    port: int | None
    path: str

    def fits(self, url: URL) -> bool:
        return (
            url.scheme == self.scheme
            and self.host in {None, url.raw_host}
            and self.port in {None, url.port}
            and url.raw_path_qs.startswith(self.path)
        )


@dataclass(frozen=True)
class AllowList:
    """What may be read for the TwinModels of one namespace.

    Of several prefixes of an address the longest decides: a prefix that is limited to namespaces stays so next to a
    wider one that is not.
    """

    entries: Sequence[AllowedPrefix]
    namespace: str

    def check(self, address: Address, subject: str) -> None:
        """Return where an address may be read.

        Args:
            address: as it will be opened.
            subject: what the refusal begins with.

        Raises:
            Stalled: `AddressNotAllowed`.
        """
        fitting = [(len(entry.prefix), entry) for entry in self.entries if entry.fits(address)]
        if not self._admitted(fitting):
            raise Stalled(Reason.ADDRESS_NOT_ALLOWED, self._refusal(subject, limited=bool(fitting)))

    def check_real_path(self, real_path: str, subject: str) -> None:
        """Return where the file that a path leads to, by whatever symbolic links, may be read itself.

        Raises:
            Stalled: `AddressNotAllowed`.
        """
        fitting = [(length, entry) for entry in self.entries for length in entry.real_lengths(real_path)]
        if not self._admitted(fitting):
            raise Stalled(
                Reason.ADDRESS_NOT_ALLOWED,
                f"{subject} may not be read: a symbolic link leads from it to a path that is not in data.allow "
                f"for namespace {self.namespace}.",
            )

    def opens_internal(self, address: WebAddress) -> bool:
        """Whether an address may be read also where its host is internal: an entry that names the host says so."""
        named = (entry for entry in self.entries if entry.names_host() and entry.fits(address))
        return self._admitted([(len(entry.prefix), entry) for entry in named])

    def _admitted(self, fitting: Sequence[tuple[int, AllowedPrefix]]) -> bool:
        longest = max((length for length, _ in fitting), default=0)
        return any(entry.admits(self.namespace) for length, entry in fitting if length == longest)

    def _refusal(self, subject: str, *, limited: bool) -> str:
        """Return why an address may not be read; prefixes of other namespaces are not listed."""
        if limited:
            return f"{subject} may not be read in namespace {self.namespace}; data.allow limits it to other namespaces."
        allowed = ", ".join(entry.prefix for entry in self.entries if entry.admits(self.namespace))
        return f"{subject} may not be read; this installation allows {allowed or 'no address'}."


@cache
def _web_prefix(prefix: str) -> _WebPrefix | None:
    """Return the parts of a prefix, in the normal form of addresses; None where it is none of http or https."""
    scheme, separator, rest = prefix.partition("://")
    if scheme not in WEB_SCHEMES or not separator:
        return None
    if not rest:
        return _WebPrefix(scheme, None, None, "")
    try:
        url = URL(prefix)
    except ValueError:  # it can fit no address
        return None
    if url.raw_host is None:
        return None
    if "/" not in rest:
        return _WebPrefix(scheme, url.raw_host, url.explicit_port, "")
    return _WebPrefix(scheme, url.raw_host, url.port, url.raw_path_qs)


def _real_prefixes(path: str) -> Iterable[str]:
    """Return a prefix of paths without symbolic links; its last part may be a whole name or the beginning of some."""
    folder, _, name = path.rpartition("/")
    beginning = posixpath.join(os.path.realpath(folder or "/"), name)
    return (beginning, posixpath.join(os.path.realpath(path), "")) if name else (beginning,)


def _begins(path: str, prefix: str) -> bool:
    return path.startswith(prefix) or path == prefix.removesuffix("/")

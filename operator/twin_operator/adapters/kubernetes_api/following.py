"""Follows the objects that a field selector matches: a list, then a watch from there, and again after any trouble.

kopf has one stream a resource; this is for a second selection of the same one.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import aiohttp

from twin_operator.adapters.kubernetes_api.client import JSON, PAGE, ApiError, KubernetesApi

logger = logging.getLogger(__name__)
LONGEST_WAIT: Final = 15.0  # seconds before a watch is begun anew after trouble
CAME: Final = frozenset({"ADDED", "MODIFIED"})


@dataclass
class Following:
    """One collection, followed.

    Args:
        api: the client.
        path: of the collection.
        selector: a field selector; what stops matching comes as deleted and is nobody's business here.
        seen: called with each object that matches.
    """

    api: KubernetesApi
    path: str
    selector: str
    seen: Callable[[JSON], None]
    _random: random.Random = field(default_factory=random.Random)

    async def run(self) -> None:
        """Follow until cancelled."""
        version, failures = "", 0
        while True:
            try:
                version = version or await self._list()
                version = await self._watch(version)
                failures = 0
            except (ApiError, aiohttp.ClientError, TimeoutError) as error:
                if isinstance(error, ApiError) and error.status == HTTPStatus.GONE:
                    logger.debug("The watch of %s is too far behind; it lists again.", self.path)
                else:
                    logger.warning("The watch of %s is begun anew: %s", self.path, error)
                version, failures = "", failures + 1
                await asyncio.sleep(self._random.uniform(0.1, min(LONGEST_WAIT, 0.5 * 2**failures)))

    async def _list(self) -> str:
        """See everything there is; return the resource version from which to watch."""
        query = {"limit": str(PAGE), "fieldSelector": self.selector}
        while True:
            page = await self.api.get(self.path, **query)
            for item in page.get("items", ()):
                self.seen({"apiVersion": page["apiVersion"], "kind": page["kind"].removesuffix("List"), **item})
            meta = page["metadata"]
            if not meta.get("continue"):
                return str(meta["resourceVersion"])
            query["continue"] = meta["continue"]

    async def _watch(self, version: str) -> str:
        async for kind, body in self.api.watch(
            self.path, version, fieldSelector=self.selector, allowWatchBookmarks="true"
        ):
            version = body["metadata"]["resourceVersion"]
            if kind in CAME:
                self.seen(body)
        return version

"""Asks Redis again and again whether it is there, so that an outage shows within seconds.

The operator's own calls are no sign: they are patient, and try for two minutes before they say anything.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from twin_operator.services.meters import ProcessMeters

POLL_SECONDS = 5.0  # between two questions: a third of what Prometheus usually takes between two looks
PATIENCE_SECONDS = 3.0  # for an answer that takes a millisecond


@dataclass
class BrokerWatch:
    """Shows whether Redis answers.

    Args:
        ping: asks; raises or takes long when there is no answer.
        meters: shows it.
    """

    ping: Callable[[], Awaitable[object]]
    meters: ProcessMeters

    async def run(self) -> None:
        """Ask for ever."""
        while True:
            self.meters.redis(reachable=await self._answers())
            await asyncio.sleep(POLL_SECONDS)

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self.ping()
        except Exception:  # noqa: BLE001 - whatever went wrong: there was no answer
            return False
        return True

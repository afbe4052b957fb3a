"""A scenario, once for every call of a port, with a crash of the operator at that call: the end must be the same.

    async def scenario(site: Installation) -> None:
        site.apply(...)
        site.employ()
        await site.until_phase("Simulation", "question", "Succeeded")

    @pytest.mark.looptime
    async def test_a_crash_at_any_call_changes_nothing() -> None:
        await every_crash(scenario)

A scenario plays users and workers, and returns when all that matters has happened (also in the archive, where that
matters). It may wait for conditions, not for times: the next leader may be later than the first one would have been. It
runs against the leader that crashes as against the one that does not; the installation starts the next leader itself.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Final

from tests.fakes.crashes import CrashPlan, Moment
from tests.fakes.ended import differences, ended
from tests.fakes.installation import PATIENCE_SECONDS, Installation

Scenario = Callable[[Installation], Awaitable[None]]
RESYNC_SECONDS: Final = 5.0  # in place of a minute: what a crash loses is found at the next resync
QUIET_SECONDS: Final = 6.0  # virtual; longer than a resync: what a repeated effect would change shows by then
MOST_SHOWN: Final = 20  # differences in the message of a failure


async def every_crash(
    scenario: Scenario,
    ports: Collection[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    moments: Collection[Moment] = (Moment.AFTER,),
    lost_events: Collection[str] = (),
) -> None:
    """Play a scenario undisturbed, then with a crash at each call; fail where an end differs.

    Args:
        scenario: users and workers; it returns when all that matters has happened.
        ports: whose calls are counted, by field of `OperatorPorts`, such as ("queue", "resources"); None: all.
        settings: of the operator, where they differ from their defaults.
        moments: when the process ends, seen from the call. Before a call is after the one before it, but for calls that
            run at the same time.
        lost_events: reasons of Kubernetes Events that a crash may lose, as those report what is in status, too.
    """
    given = {"resync_seconds": RESYNC_SECONDS, **(settings or {})}
    undisturbed = CrashPlan(ports=ports)
    expected = await _end_of(scenario, given, undisturbed, lost_events)
    calls, crashes = list(undisturbed.calls), 0
    for number in range(1, len(calls) + 1):
        for moment in moments:
            plan = CrashPlan(number, moment, ports)
            try:
                await _compare(scenario, given, plan, expected, lost_events)
            except Exception as error:
                where = f"{moment} call {number}, {calls[number - 1]}"
                raise AssertionError(f"A crash {where} changes the end: {error}") from error
            crashes += plan.dead
    print(f"{len(calls)} effects, {crashes} crashes")  # noqa: T201 - read in the output of pytest
    assert crashes == len(calls) * len(moments) > 0, "not every call was reached"


async def _end_of(
    scenario: Scenario, settings: Mapping[str, Any], plan: CrashPlan, lost_events: Collection[str]
) -> dict[str, Any]:
    """Return what a run without a crash comes to; the plan keeps the calls up to the end of the scenario."""
    async with Installation(settings, plan) as site:
        await scenario(site)
        calls = list(plan.calls)
        await site.advance(QUIET_SECONDS)
        plan.calls = calls
        return ended(site, lost_events)


async def _compare(
    scenario: Scenario,
    settings: Mapping[str, Any],
    plan: CrashPlan,
    expected: dict[str, Any],
    lost_events: Collection[str],
) -> None:
    """Play a scenario with a crash, and wait until all is as in the undisturbed run, and was quiet before that."""
    async with Installation(settings, plan) as site:
        await scenario(site)
        end = site.now() + PATIENCE_SECONDS
        await site.advance(QUIET_SECONDS)
        while (found := differences(expected, ended(site, lost_events))) and site.now() < end:
            await site.advance(QUIET_SECONDS)
        assert not found, "\n".join(found[:MOST_SHOWN])

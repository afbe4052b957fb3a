"""`twin-operator check`: is every part of the installation there? What `helm test` runs."""

import asyncio
import time
from collections.abc import Sequence
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from twin_operator.services.installation import Finding
from twin_operator.settings import Settings

AGAIN_SECONDS: Final = 2.0  # between two looks


def check(
    within: Annotated[float, typer.Option(min=0, help="Seconds within which everything must be well.")] = 60,
) -> None:
    """See whether Redis, MLflow, the operator and its worker pools work; exit code 1 when one does not."""
    findings = asyncio.run(_until_well(Settings(), within))
    Console(width=120).print(_table(findings))
    if not all(finding.well for finding in findings):
        raise typer.Exit(1)


async def _until_well(settings: Settings, within: float) -> list[Finding]:
    from twin_operator.wiring.installation_check import look  # noqa: PLC0415 - slow to import, and only for this

    deadline = time.monotonic() + within
    while True:
        findings = await look(settings)
        if all(finding.well for finding in findings) or time.monotonic() > deadline:
            return findings
        await asyncio.sleep(AGAIN_SECONDS)


def _table(findings: Sequence[Finding]) -> Table:
    table = Table("Part", "Well", "What was found")
    for finding in findings:
        table.add_row(finding.part, "yes" if finding.well else "NO", finding.sentence)
    return table

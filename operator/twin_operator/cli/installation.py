"""The commands for whoever installs the operator: `twin-operator crds`, and `check`, which `helm test` runs."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Final

import typer
import yaml
from rich.console import Console
from rich.table import Table

from twin_operator.crdgen import generate
from twin_operator.services.installation import Finding, of_leader, of_pools, of_redis
from twin_operator.services.runs.credentials import without_credentials
from twin_operator.settings import Settings

CHECK_SECONDS: Final = 2.0  # between two checks
ANSWER_SECONDS: Final = 5.0  # time limit of one answer: the whole check is repeated

crds = typer.Typer(no_args_is_help=True, help="The custom resource definitions of this version.")


@crds.command(name="print")
def show() -> None:
    """Print them as YAML."""
    typer.echo("---\n".join(generate().values()))


@crds.command()
def apply() -> None:
    """Apply them to the cluster, on the server's side."""
    from twin_operator.adapters.kubernetes_api.commands import apply_crds  # noqa: PLC0415 - printing needs no cluster

    for name in asyncio.run(apply_crds([yaml.safe_load(text) for text in generate().values()])):
        typer.echo(f"applied {name}")


def check(
    within: Annotated[float, typer.Option(min=0, help="Seconds within which everything must be well.")] = 60,
) -> None:
    """See whether Redis, MLflow, the operator and its worker pools work; exit code 1 when one does not."""
    findings = asyncio.run(_until_well(Settings(), within))
    Console(width=120).print(_table(findings))
    if not all(finding.well for finding in findings):
        raise typer.Exit(1)


async def _until_well(settings: Settings, within: float) -> list[Finding]:
    deadline = time.monotonic() + within
    while True:
        findings = await _check_all(settings)
        if all(finding.well for finding in findings) or time.monotonic() > deadline:
            return findings
        await asyncio.sleep(CHECK_SECONDS)


async def _check_all(settings: Settings) -> list[Finding]:
    """Return a finding for each part, whatever does not answer."""
    parts: dict[str, Callable[[Settings], Awaitable[list[Finding]]]] = {
        "Redis": _check_redis,
        "MLflow": _check_mlflow,
        "Kubernetes": _check_kubernetes,
    }
    return [finding for part, ask in parts.items() for finding in await _asked(part, ask, settings)]


async def _asked(part: str, ask: Callable[[Settings], Awaitable[list[Finding]]], settings: Settings) -> list[Finding]:
    try:
        return await ask(settings)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        return [Finding(part, False, without_credentials(f"It does not answer: {error or type(error).__name__}"))]


async def _check_redis(settings: Settings) -> list[Finding]:
    from twin_operator.adapters.redis_queue.memory import read_eviction_policy  # noqa: PLC0415 - slow to import

    return [of_redis(await read_eviction_policy(settings.redis_url, ANSWER_SECONDS))]


async def _check_mlflow(settings: Settings) -> list[Finding]:
    from twin_operator.adapters.health_pages import read_status  # noqa: PLC0415 - likewise

    url = f"{settings.mlflow_tracking_uri.rstrip('/')}/health"
    status = await read_status(url, ANSWER_SECONDS)
    well = status < HTTPStatus.BAD_REQUEST
    return [Finding("MLflow", well, "It answers." if well else f"{url} answered {status}.")]


async def _check_kubernetes(settings: Settings) -> list[Finding]:
    from twin_operator.adapters.kubernetes_api.commands import read_installation  # noqa: PLC0415 - likewise

    leader, pools = await read_installation(settings.namespace, settings.lease_name)
    return [of_leader(leader, datetime.now(UTC)), *of_pools(pools)]


def _table(findings: Sequence[Finding]) -> Table:
    table = Table("Part", "Well", "What was found")
    for finding in findings:
        table.add_row(finding.part, "yes" if finding.well else "NO", finding.sentence)
    return table

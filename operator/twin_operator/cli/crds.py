"""`twin-operator crds`: the custom resource definitions of this version."""

import asyncio

import typer
import yaml

from twin_operator.crdgen import generate

app = typer.Typer(no_args_is_help=True, help="The custom resource definitions of this version.")


@app.command(name="print")
def show() -> None:
    """Print them as YAML."""
    typer.echo("---\n".join(generate().values()))


@app.command()
def apply() -> None:
    """Apply them to the cluster, on the server's side."""
    asyncio.run(_apply())


async def _apply() -> None:
    from twin_operator.wiring.crd_client import apply_crds  # noqa: PLC0415 - printing needs no cluster

    for name in await apply_crds([yaml.safe_load(text) for text in generate().values()]):
        typer.echo(f"applied {name}")

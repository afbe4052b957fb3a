"""Where a command finds its cluster, and how it ends: well, or with one sentence and exit code 1."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from twin_operator.adapters.kubernetes_api.client import ApiError
from twin_operator.cli.kubectl_twin.requests import Impossible
from twin_operator.wiring.plugin_client import NoCluster, PersonsClient, persons_client

_POLICY_PREFACE: Final = "denied request: "

Namespace = Annotated[
    str | None, typer.Option("--namespace", "-n", help="Namespace; the context's when absent.", show_default=False)
]
Context = Annotated[str | None, typer.Option(help="Context of the kubeconfig; the current one when absent.")]
Kubeconfig = Annotated[Path | None, typer.Option(help="Path of the kubeconfig; $KUBECONFIG when absent.")]


@dataclass(frozen=True)
class Session:
    """How to reach the cluster, as kubectl's options of the same names."""

    namespace: str | None
    context: str | None
    kubeconfig: Path | None

    def run(self, work: Callable[[PersonsClient], Awaitable[str]]) -> None:
        """Carry out `work` and print what it returns.

        Raises:
            typer.Exit: with code 1, after the sentence of whoever refused.
        """
        try:
            typer.echo(asyncio.run(self._carry_out(work)))
        except (ApiError, NoCluster, Impossible) as refusal:
            typer.echo(f"error: {sentence(refusal)}", err=True)
            raise typer.Exit(1) from refusal

    async def _carry_out(self, work: Callable[[PersonsClient], Awaitable[str]]) -> str:
        async with persons_client(self.kubeconfig, self.context, self.namespace) as client:
            return await work(client)


def sentence(refusal: Exception) -> str:
    """Return what a refusal says; of an admission policy its own sentence, without the policy's name."""
    text = refusal.message if isinstance(refusal, ApiError) else str(refusal)
    _, preface, own = text.partition(_POLICY_PREFACE)
    return own if preface else text

"""The kubectl plugin `kubectl twin`: what users decide and record, signed with the name the cluster knows them by.

Each command reads what it needs, sends one write and prints what was asked for; it ends well, or with one sentence and
exit code 1. Nothing here does what plain kubectl could not.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from twin_operator.adapters.kubernetes_api.client import ApiError
from twin_operator.adapters.kubernetes_api.commands import NoCluster, UserClient, user_client
from twin_operator.cli.twin_status import WAITING, status_report
from twin_operator.cli.twin_writes import (
    ROLLBACK,
    Impossible,
    cancellation_patch,
    decision_patch,
    outcome_patch,
    retraining_job,
    rollback_patch,
)

_POLICY_PREFACE: Final = "denied request: "

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Decide about retrainings of digital twins, record outcomes, and see how twins do.",
)
Namespace = Annotated[
    str | None, typer.Option("--namespace", "-n", help="Namespace; the context's when absent.", show_default=False)
]
Context = Annotated[str | None, typer.Option(help="Context of the kubeconfig; the current one when absent.")]
Kubeconfig = Annotated[Path | None, typer.Option(help="Path of the kubeconfig; $KUBECONFIG when absent.")]
Job = Annotated[str, typer.Argument(help="Name of the RetrainingJob.", show_default=False)]
Model = Annotated[str, typer.Argument(help="Name of the TwinModel.", show_default=False)]
Message = Annotated[str | None, typer.Option(help="Reason, in words.")]


@dataclass(frozen=True)
class Session:
    """How to reach the cluster, as kubectl's options of the same names."""

    namespace: str | None
    context: str | None
    kubeconfig: Path | None

    def run(self, work: Callable[[UserClient], Awaitable[str]]) -> None:
        """Run `work` and print what it returns.

        Raises:
            typer.Exit: with code 1, after the sentence of whoever refused.
        """
        try:
            typer.echo(asyncio.run(self._carry_out(work)))
        except (ApiError, NoCluster, Impossible) as refusal:
            typer.echo(f"error: {sentence(refusal)}", err=True)
            raise typer.Exit(1) from refusal

    async def _carry_out(self, work: Callable[[UserClient], Awaitable[str]]) -> str:
        async with user_client(self.kubeconfig, self.context, self.namespace) as client:
            return await work(client)


@app.command()
def approve(
    job: Job,
    message: Message = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Let a retraining start, in your own name. Needs the RBAC verb approve."""
    Session(namespace, context, kubeconfig).run(lambda client: _decide(client, job, message, approved=True))


@app.command()
def reject(
    job: Job,
    message: Message = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Refuse a retraining for good, in your own name. Needs the RBAC verb approve."""
    Session(namespace, context, kubeconfig).run(lambda client: _decide(client, job, message, approved=False))


@app.command()
def cancel(job: Job, namespace: Namespace = None, context: Context = None, kubeconfig: Kubeconfig = None) -> None:
    """Stop a retraining, whoever asked for it."""

    async def work(client: UserClient) -> str:
        patch = cancellation_patch(await client.read("RetrainingJob", job))
        await client.change("RetrainingJob", job, patch)
        return f"retrainingjob/{job} is to stop"

    Session(namespace, context, kubeconfig).run(work)


@app.command()
def retrain(
    model: Model,
    message: Message = None,
    *,
    override_cooldown: Annotated[
        bool, typer.Option("--override-cooldown", help="Do not wait for the cool-down. Needs the RBAC verb approve.")
    ] = False,
    max_regression: Annotated[
        float | None,
        typer.Option(help="How much worse than the champion the candidate may be: 0.02 is 2 %. Needs approve."),
    ] = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Ask for a retraining of a model."""

    async def work(client: UserClient) -> str:
        await client.read("TwinModel", model)  # a job would wait for a model whose name is misspelt
        body = retraining_job(model, message, max_regression, override_cooldown=override_cooldown)
        created = await client.create(body)
        return f"retrainingjob/{created['metadata']['name']} created"

    Session(namespace, context, kubeconfig).run(work)


@app.command()
def rollback(
    model: Model,
    reason: Annotated[str, typer.Option(help="Reason, in words.", show_default=False)],
    to: Annotated[
        str | None, typer.Option(help="Version to serve again; the one before the last promotion when absent.")
    ] = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Let an earlier version of a model serve again, in your own name. Needs the RBAC verb approve."""

    async def work(client: UserClient) -> str:
        body = await client.read("TwinModel", model)
        jobs = await client.list("RetrainingJob", fieldSelector=f"spec.modelRef.name={model}") if to else []
        patch = rollback_patch(body, to, reason, await client.user_name(), jobs)
        await client.change("TwinModel", model, patch)
        wanted = patch["metadata"]["annotations"]
        versions = f"{wanted[ROLLBACK + 'to']} in place of {wanted[ROLLBACK + 'from']}"
        return f"twinmodel/{model} is to serve version {versions}"

    Session(namespace, context, kubeconfig).run(work)


@app.command()
def observe(  # noqa: PLR0913 - an outcome in each form that it is usually reported in
    simulation: Annotated[str, typer.Argument(help="Name of the Simulation.", show_default=False)],
    *,
    experiment: Annotated[str, typer.Option(help="Name of the experiment that gave the outcome.")],
    effect: Annotated[float, typer.Option(help="Effect as measured, in the outcome's units.")],
    standard_error: Annotated[float | None, typer.Option(help="Its standard error.")] = None,
    low: Annotated[float | None, typer.Option(help="Lower end of its interval; with --high and --confidence.")] = None,
    high: Annotated[float | None, typer.Option(help="Upper end of its interval.")] = None,
    confidence: Annotated[float | None, typer.Option(help="Confidence of that interval, such as 0.95.")] = None,
    sample_size: Annotated[int | None, typer.Option(help="Units in both arms, when nothing else is known.")] = None,
    time: Annotated[str | None, typer.Option(help="When it became known, as 2026-05-01T12:00:00Z.")] = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Record the observed outcome of a Simulation. It can be set once."""
    patch = outcome_patch(
        experiment=experiment,
        effect=effect,
        standardError=standard_error,
        low=low,
        high=high,
        confidence=confidence,
        sampleSize=sample_size,
        time=time,
    )

    async def work(client: UserClient) -> str:
        await client.change("Simulation", simulation, patch)
        return f"simulation/{simulation} has its outcome"

    Session(namespace, context, kubeconfig).run(work)


@app.command()
def status(
    model: Annotated[str | None, typer.Argument(help="Name of a TwinModel; all when absent.")] = None,
    *,
    everywhere: Annotated[bool, typer.Option("--all-namespaces", "-A", help="List objects of all namespaces.")] = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Print how models do, which of them fail and why, and which jobs wait for approval.

    Of each model: version, fidelity, whether it is faithful and can be retrained, and the active job.
    """

    async def work(client: UserClient) -> str:
        found = (
            [await client.read("TwinModel", model)] if model else await client.list("TwinModel", everywhere=everywhere)
        )
        chosen = f"{WAITING},spec.modelRef.name={model}" if model else WAITING
        jobs = await client.list("RetrainingJob", everywhere=everywhere and not model, fieldSelector=chosen)
        return status_report(found, jobs, with_namespace=everywhere)

    Session(namespace, context, kubeconfig).run(work)


async def _decide(client: UserClient, job: str, message: str | None, *, approved: bool) -> str:
    by = await client.user_name()
    await client.change("RetrainingJob", job, decision_patch(approved=approved, by=by, message=message))
    return f"retrainingjob/{job} {'approved' if approved else 'rejected'} by {by}"


def sentence(refusal: Exception) -> str:
    """Return what a refusal says; of an admission policy its own sentence, without the policy's name."""
    text = refusal.message if isinstance(refusal, ApiError) else str(refusal)
    _, preface, own = text.partition(_POLICY_PREFACE)
    return own if preface else text


def main() -> None:
    """Entry point of the plugin; kubectl finds it on PATH by the name of its program."""
    app(prog_name="kubectl twin")

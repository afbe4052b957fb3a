"""The command `twin-operator`: `run`, `worker`, `events`, `check`, `crds`, `secrets`, `archive` and `dead-letters`."""

import os
import sys
from typing import Annotated

import typer

from twin_operator.cli.archive import app as archive
from twin_operator.cli.dead_letters import app as dead_letters
from twin_operator.cli.generated_secrets import app as generated_secrets
from twin_operator.cli.installation import check, crds
from twin_operator.cli.output import fail
from twin_operator.cli.startup import MISCONFIGURED, configure_logging, read_settings
from twin_operator.services.reconciling.errors import Unsafe
from twin_operator.settings import Settings
from twin_operator.wiring.tracing import TracingRefused, check_tracing

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Digital twins of populations on Kubernetes.",
)
app.add_typer(archive, name="archive")
app.add_typer(crds, name="crds")
app.add_typer(dead_letters, name="dead-letters")
app.add_typer(generated_secrets, name="secrets")
app.command()(check)


def main() -> None:
    """Entry point of the command."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nothing leaves the cluster
    os.environ.setdefault("MLFLOW_ENABLE_ASYNC_LOGGING", "false")
    os.environ.setdefault("MLFLOW_CONFIGURE_LOGGING", "false")  # its lines are ours, in our form and without secrets
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # likewise
    app()


@app.command()
def run() -> None:
    """Run the operator: wait for the Lease, then watch and reconcile."""
    settings = _settings()
    from twin_operator.handlers.operator import run_operator  # noqa: PLC0415 - a worker does not need kopf

    try:
        sys.exit(run_operator(settings))
    except Unsafe as error:
        fail(str(error), MISCONFIGURED)


@app.command()
def worker(
    queues: Annotated[str, typer.Option(help="Queues to serve, separated by commas.")],
    concurrency: Annotated[int, typer.Option(min=1, help="Tasks at a time.")] = 1,
    tier: Annotated[str, typer.Option(help="A label: Light, Medium or Heavy.")] = "Light",
) -> None:
    """Run a Celery worker; it needs no access to the Kubernetes API."""
    from twin_operator.worker.preflight import preflight  # noqa: PLC0415 - the operator does not need Celery's worker

    settings = _settings()
    try:
        served = preflight(settings, queues, concurrency)
    except Unsafe as error:
        fail(str(error), MISCONFIGURED)
    from twin_operator.worker.main import run_worker  # noqa: PLC0415 - nor the learners

    sys.exit(run_worker(settings, served, concurrency, tier))


@app.command()
def events() -> None:
    """Show Celery's events as Prometheus metrics; workers and operator send them where TWINOPS_TASK_EVENTS is set."""
    from twin_operator.events import run_events  # noqa: PLC0415 - likewise

    run_events(_settings())


def _settings() -> Settings:
    settings = read_settings()
    configure_logging(settings.log_format, settings.secrets())
    try:
        check_tracing(settings)
    except TracingRefused as refused:
        fail(str(refused), MISCONFIGURED)
    return settings

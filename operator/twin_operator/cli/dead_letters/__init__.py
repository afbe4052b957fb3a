"""`twin-operator dead-letters`: messages that could not be carried out, for people.

They need the address of Redis and the signing key, as the operator's Pod has them in its environment.
"""

from typing import Annotated, Final

import typer

from twin_operator.cli.output import Output

app = typer.Typer(no_args_is_help=True, help="Messages that could not be carried out.")

_SHOWN: Final = 50  # rows a list shows: some screens
Entry = Annotated[str, typer.Argument(help="As `list` shows it.", metavar="ID")]
OutputOption = Annotated[Output, typer.Option("--output", "-o", help="For people, or for programs.")]


@app.command(name="list")
def show_all(
    *,
    limit: Annotated[int, typer.Option(min=1, help="Most rows.")] = _SHOWN,
    output: OutputOption = Output.TABLE,
) -> None:
    """List dead letters, newest first; at most 1,000 are kept."""
    from twin_operator.cli.dead_letters.commands import list_letters  # noqa: PLC0415 - Redis takes a while to import

    list_letters(limit, output)


@app.command()
def show(entry: Entry) -> None:
    """Print one, with the message as it was found, as JSON."""
    from twin_operator.cli.dead_letters.commands import show_letter  # noqa: PLC0415 - see above

    show_letter(entry)


@app.command()
def requeue(entry: Entry) -> None:
    """Put one back into its queue; refused for what workers would put aside again.

    Seldom needed: the operator publishes what is unfinished again by itself.
    """
    from twin_operator.cli.dead_letters.commands import requeue_letter  # noqa: PLC0415 - see above

    requeue_letter(entry)


@app.command()
def purge(*, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Drop all of them."""
    from twin_operator.cli.dead_letters.commands import purge_letters  # noqa: PLC0415 - see above

    purge_letters(ask=not yes)

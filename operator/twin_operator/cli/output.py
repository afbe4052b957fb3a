"""How commands answer: on standard output as a table or as JSON, and with a sentence when they cannot."""

from enum import StrEnum
from typing import NoReturn

import typer


class Output(StrEnum):
    """How something is printed."""

    TABLE = "table"
    JSON = "json"


def fail(sentence: str) -> NoReturn:
    """End the command with a sentence for the person who ran it, and exit code 1."""
    typer.echo(sentence, err=True)
    raise typer.Exit(1)

"""`twin-operator dead-letters`: messages that could not be processed.

They need the address of Redis and the signing key, as the operator's Pod has them in its environment.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from time import time
from typing import Annotated, Any, Final

import typer
from redis import Redis
from redis.exceptions import RedisError

from twin_operator.adapters.redis_queue.dead_letters import DeadLetter, DeadLetters
from twin_operator.adapters.redis_queue.delivery import Check, Reason
from twin_operator.cli.output import Output, fail, print_line, print_table
from twin_operator.cli.startup import MISCONFIGURED, read_settings
from twin_operator.services.reconciling.errors import Unsafe
from twin_operator.settings import Settings
from twin_operator.wiring.connections import SOCKET_SECONDS, build_signing

app = typer.Typer(no_args_is_help=True, help="Messages that could not be processed.")

_SHOWN: Final = 50  # rows a list shows: some screens
_OF_SIGNATURES: Final = (Reason.UNSIGNED, Reason.FORGED, Reason.OUTDATED)
Entry = Annotated[str, typer.Argument(help="As `list` shows it.", metavar="ID")]
OutputOption = Annotated[Output, typer.Option("--output", "-o", help="A table, or JSON for programs.")]


@app.command(name="list")
def show_all(
    *,
    limit: Annotated[int, typer.Option(min=1, help="Most rows.")] = _SHOWN,
    output: OutputOption = Output.TABLE,
) -> None:
    """List dead letters, newest first; at most 1,000 are kept."""
    with _letters(read_settings()) as letters:
        found = list(letters.newest(limit))
    if output is Output.JSON:
        typer.echo(json.dumps([_row(letter) for letter in found], indent=2))
    elif not found:
        print_line("There are no dead letters.")
    else:
        heads = ["ID", "TIME", "QUEUE", "REASON", "RUN", "WORKER"]
        rows = [(x.id, _moment(x.time), x.queue, x.reason, x.run or "-", x.worker) for x in found]
        print_table(heads, [[_printable(cell) for cell in row] for row in rows])


@app.command()
def show(entry: Entry) -> None:
    """Print one, with the message as it was found, as JSON."""
    with _letters(read_settings()) as letters:
        letter = _found(letters, entry)
    message = letter.message.decode(errors="backslashreplace")
    typer.echo(json.dumps({**_row(letter), "message": message}, indent=2))


@app.command()
def requeue(entry: Entry) -> None:
    """Put one back into its queue; refused for what workers would put aside again.

    Seldom needed: the operator publishes what is unfinished again by itself.
    """
    settings = read_settings()
    with _letters(settings) as letters:
        letter = _found(letters, entry)
        obstacle = refusal_to_requeue(letter, settings, time())
        if obstacle:
            fail(f"Dead letter {entry} stays: {obstacle}.")
        letters.requeue(letter)
    typer.echo(f"Dead letter {entry} is in the queue {letter.queue} again.")


@app.command()
def purge(*, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Drop all of them."""
    if not yes:
        typer.confirm("Drop all dead letters?", abort=True)
    with _letters(read_settings()) as letters:
        count = letters.purge()
    typer.echo(f"{count} dead letters dropped.")


def refusal_to_requeue(letter: DeadLetter, settings: Settings, now: float) -> str | None:
    """Return why workers would put a message aside again, or None; `now` in seconds since the epoch."""
    signing = build_signing(settings)
    if letter.cut:
        return f"only the first {len(letter.message)} of its {letter.size} bytes were kept"
    if letter.reason == Reason.EXHAUSTED:
        return "its run has had all its attempts; make a new object to ask again"
    if signing is None and letter.reason in _OF_SIGNATURES:
        return "its signature cannot be checked without TWINOPS_SIGNING_KEY"
    refusal = Check(signing, settings.run_ttl_seconds).refusal(letter.message, letter.queue, now)
    if refusal is None:
        return None
    return f"{refusal.because} ({refusal.reason}); the operator publishes unfinished runs again by itself"


@contextmanager
def _letters(settings: Settings) -> Iterator[DeadLetters]:
    """Give the dead letters; say in a sentence what is wrong with Redis or with the settings."""
    try:
        with Redis.from_url(settings.redis_url, socket_timeout=SOCKET_SECONDS) as redis:
            yield DeadLetters(redis)
    except RedisError as error:
        fail(f"Redis (TWINOPS_REDIS_URL) refused: {str(error).rstrip('.')}.")
    except Unsafe as error:
        fail(str(error), MISCONFIGURED)


def _found(letters: DeadLetters, entry: str) -> DeadLetter:
    letter = letters.find(entry)
    if letter is None:
        fail(f"There is no dead letter {entry}: see `twin-operator dead-letters list`.")
    return letter


def _row(letter: DeadLetter) -> dict[str, Any]:
    kept = {name: value for name, value in asdict(letter).items() if name != "message"}
    return {**kept, "time": _moment(letter.time), "cut": letter.cut}


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _printable(text: str) -> str:
    """Return text without what could steer a terminal: strangers wrote it."""
    return "".join(each if each.isprintable() else "?" for each in text)

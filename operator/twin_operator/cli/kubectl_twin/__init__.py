"""The kubectl plugin `kubectl twin`: what users decide and record, signed with the name the cluster knows them by.

Commands belong in `commands`, what they send in `requests` and what they print of models in `table`. Nothing here
does what plain kubectl could not.
"""

from twin_operator.cli.kubectl_twin.commands import app


def main() -> None:
    """Entry point of the plugin; kubectl finds it on PATH by the name of its program."""
    app(prog_name="kubectl twin")

"""Tries whether this machine lets us have the namespaces of a container."""

from __future__ import annotations

import sys

from devcluster.sandbox import namespaces


def main() -> None:
    """No arguments; the exit code is the answer, and standard error says what would help."""
    try:
        namespaces.create()
    except namespaces.NamespacesForbiddenError as error:
        sys.exit(str(error))

"""A worker as it is shipped, with the real work of every kind of task. Argument: its queue."""

from __future__ import annotations

import sys

from twin_operator.cli.startup import configure_logging
from twin_operator.settings import LogFormat, Settings
from twin_operator.worker.main import run_worker

if __name__ == "__main__":
    configure_logging(LogFormat.TEXT, ())
    run_worker(Settings(), [sys.argv[1]], 1, "Heavy")

"""`python -m demo [--only CHAPTER] [--keep | --stop]`: see the package."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demo import background
from demo.kubernetes import CommandError, Kubernetes
from demo.platform import DIRECTORY, AlreadyRunningError, Platform, running
from demo.story import ALONE, tell
from demo.telling import Say, clock, show
from demo.trouble import show_trouble
from demo.watching import DisappointedError
from devcluster import ClusterError
from devcluster.build import BuildError
from devcluster.services import ServiceError

_NOT_UP = (AlreadyRunningError, BuildError, ClusterError, ServiceError, background.BackgroundError)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m demo", description="Twins of 64,000 customers, asked and graded.")
    parser.add_argument("--keep", action="store_true", help="leave everything running at the end")
    parser.add_argument("--stop", action="store_true", help="stop what --keep has left running")
    parser.add_argument("--only", choices=ALONE, help="run this chapter and no other")
    parser.add_argument("--cluster", default="devcluster", help="where to run; only devcluster is built yet")
    return parser


def _run(options: argparse.Namespace) -> int:
    if options.cluster != "devcluster":
        show(
            f"NotSupported: CLUSTER={options.cluster} is not built yet; without it the demo makes a cluster of its own"
        )
        return 2
    if options.stop:
        show("stopped" if background.stop(DIRECTORY) else "no demo is running")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    say = clock()
    with _platform(say, keep=options.keep) as platform:
        code = _tell(Kubernetes(platform), say, options.only)
        _say_goodbye(platform, say, keep=options.keep)
    return code


@contextmanager
def _platform(say: Say, *, keep: bool) -> Iterator[Platform]:
    if keep:
        yield background.start(DIRECTORY)
        return
    with running(DIRECTORY, say) as platform:
        yield platform


def _tell(kubernetes: Kubernetes, say: Say, only: str | None) -> int:
    try:
        return 0 if tell(kubernetes, say, only) else 1
    except (CommandError, DisappointedError) as error:
        show_trouble(kubernetes)
        show()
        say(f"failed: {error}")
        return 1


def _say_goodbye(platform: Platform, say: Say, *, keep: bool) -> None:
    show()
    if not keep:
        say("stopping everything (make demo KEEP=1 leaves it running)")
        return
    say("left running; in another shell, or in this one:")
    show(f"""
  export KUBECONFIG={platform.kubeconfig}
  alias kubectl={platform.kubectl}
  export PATH={Path(sys.executable).parent}:$PATH  # for kubectl twin
  kubectl get twinops
  kubectl twin status
  kubectl describe simulation mens-email
  kubectl explain simulation.spec
  kubectl logs -n twin-operator deployment/twin-operator

MLflow, with the trained versions: {platform.mlflow_url}
To stop everything:                make demo STOP=1""")


def main() -> int:
    """Run the demo and give its exit code."""
    try:
        return _run(_parser().parse_args())
    except _NOT_UP as error:
        show(str(error))
        return 1
    except KeyboardInterrupt:
        show("interrupted")
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())

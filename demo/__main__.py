"""`python -m demo [--only CHAPTER] [--keep | --stop]`: see docs/demo.md."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from demo.chapters import ALONE, CHAPTERS
from demo.claims import Claim
from demo.output import say, show, show_table, show_title
from demo.platform import AlreadyRunningError, address, cluster, install, running
from demo.shell import CommandError, Shell, WaitError
from devcluster import ClusterError
from devcluster.build import BuildError

_CONDITIONS = "custom-columns=NAME:.metadata.name,PHASE:.status.phase,CONDITIONS:.status.conditions[*].message"
# What a user would run to find the cause of a failure.
_DIAGNOSIS = (
    f"kubectl get twinmodels,retrainingjobs,workerpools -A -o {_CONDITIONS}",
    "kubectl get pods -A -o wide",
    "kubectl get events -A --field-selector type=Warning",
    "kubectl logs -n twin-operator -l app.kubernetes.io/name=twin-operator --prefix --tail 25",
    "kubectl logs -n twin-operator -l twinops.dev/pool --prefix --tail 25 --max-log-requests 10",
)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description="Twins of 64,000 customers, asked and graded.")
    parser.add_argument("--keep", action="store_true", help="leave everything running at the end")
    parser.add_argument("--stop", action="store_true", help="stop what --keep has left running")
    parser.add_argument("--only", choices=ALONE, help="run this chapter and no other")
    parser.add_argument("--cluster", default="devcluster", help="where to run; only devcluster is built yet")
    return parser.parse_args()


def _run(options: argparse.Namespace) -> int:
    if options.cluster != "devcluster":
        show(f"NotSupported: CLUSTER={options.cluster} is not built yet; without it the demo makes a cluster itself")
        return 2
    if options.stop:
        show("stopping" if cluster().is_running() else "no demo is running")
        cluster().down()
        return 0
    with running(keep=options.keep) as shell:
        code = _show(shell, [options.only] if options.only else list(CHAPTERS))
        if options.keep:
            _show_usage(shell)
        else:
            say("stopping everything (make demo KEEP=1 leaves it running)")
    return code


def _show(shell: Shell, chapters: Sequence[str]) -> int:
    """Install the operator and run chapters; give the exit code."""
    try:
        install(shell)
        found = [claim for name in chapters for claim in CHAPTERS[name](shell)]
    except (CommandError, WaitError) as error:
        _diagnose(shell)
        say(f"failed: {error}")
        return 1
    return show_claims(found)


def show_claims(found: Sequence[Claim]) -> int:
    """Print what was claimed next to what was found; give the exit code, which is 0 when every claim was kept."""
    show_title("Claims")
    kept = sum(each.kept for each in found)
    rows = [("kept" if each.kept else "NOT KEPT", each.about, each.expected, each.found) for each in found]
    show_table(f"{kept} of {len(found)} claims kept", ("", "CLAIM", "EXPECTED", "FOUND"), rows)
    return 0 if kept == len(found) else 1


def _diagnose(shell: Shell) -> None:
    for command in _DIAGNOSIS:
        try:
            shell.show(command)
        except CommandError as error:
            show(str(error))


def _show_usage(shell: Shell) -> None:
    show(f"""
Everything is left running. To use it (docs/demo.md has more):

  export KUBECONFIG={shell.environment["KUBECONFIG"]}
  export PATH={shell.environment["PATH"].removesuffix(os.environ.get("PATH", ""))}$PATH
  kubectl get twinops
  kubectl twin status
  kubectl describe simulation mens-email
  kubectl explain simulation.spec
  kubectl logs -n twin-operator deployment/twin-operator

MLflow, with the trained versions: http://{address(shell, "mlflow")}:5000
To stop everything:                make demo STOP=1""")


def main() -> int:
    """Run the demo and give its exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts background jobs with SIGINT ignored
    try:
        return _run(_options())
    except (AlreadyRunningError, BuildError, ClusterError) as error:
        show(str(error))
        return 1
    except KeyboardInterrupt:
        show("interrupted")
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())

"""`python -m devcluster`: a development cluster from the command line."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from devcluster.binaries import find
from devcluster.build import BuildError
from devcluster.cluster import Cluster, ClusterError
from devcluster.layout import default_directory
from devcluster.status import table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m devcluster", description=__doc__)
    parser.add_argument("--directory", type=Path, default=default_directory(), help="default: %(default)s")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start the cluster, or say that it runs")
    up.add_argument("--foreground", action="store_true", help="stay, and take the cluster down on Ctrl-C")
    down = commands.add_parser("down", help="end every process of the cluster; its objects are kept")
    down.add_argument("--delete", action="store_true", help="delete its objects, keys and logs, too")
    commands.add_parser("status", help="print a table of its processes; exit code 1 when it does not run")
    commands.add_parser("build", help="build the programs of a cluster, unless they are in the cache")
    commands.add_parser("kubeconfig", help="print the path of the kubeconfig")
    return parser


def _up(cluster: Cluster, *, foreground: bool) -> int:
    known = cluster.is_running()
    try:
        cluster.up(detached=not foreground)
        print(table(cluster))
        print(f"\nexport KUBECONFIG={cluster.kubeconfig}\nalias kubectl={cluster.kubectl}")
        if foreground and not known:
            print("\nCtrl-C takes the cluster down", flush=True)
            cluster.wait()
    except BaseException:
        if not known:
            cluster.down()
        raise
    return 0


def _status(cluster: Cluster) -> int:
    print(table(cluster))
    return 0 if cluster.is_running() else 1


def _say(line: str) -> None:
    print(line, flush=True)


def _run(options: argparse.Namespace) -> int:
    if options.command == "build":
        find(_say)
        return 0
    cluster = Cluster(options.directory, say=_say)
    if options.command == "up":
        return _up(cluster, foreground=options.foreground)
    if options.command == "status":
        return _status(cluster)
    if options.command == "down":
        cluster.down(delete=options.delete)
    if options.command == "kubeconfig":
        print(cluster.kubeconfig)
    return 0


def main() -> int:
    """Run a command and give its exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    # A shell starts background jobs with SIGINT ignored, and children inherit that: a script's Ctrl-C would not arrive.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return _run(_parser().parse_args())
    except (BuildError, ClusterError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())

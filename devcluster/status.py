"""The table that `python -m devcluster status` prints."""

from __future__ import annotations

from pathlib import Path

from devcluster.cluster import Cluster
from devcluster.layout import State


def table(cluster: Cluster) -> str:
    """Return a table of the processes of a cluster, whether they live, and where their logs are."""
    state = cluster.state()
    if state is None or not cluster.is_running():
        return f"no cluster runs in {cluster.directory}"
    rows = [("COMPONENT", "STATE", "PID", "LOG"), _row(cluster, "supervisor", state.phase, state.supervisor)]
    rows += [_row(cluster, name, _alive(pid), pid) for name, pid in state.processes.items()]
    return "\n".join([*_aligned(rows), *_notes(state)])


def _row(cluster: Cluster, name: str, state: str, pid: int) -> tuple[str, ...]:
    return (name, state, str(pid), str(cluster.directory / "logs" / f"{name}.log"))


def _alive(pid: int) -> str:
    return "running" if Path(f"/proc/{pid}").exists() else "gone"


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _notes(state: State) -> list[str]:
    return [f"\n{state.message}"] if state.message else []

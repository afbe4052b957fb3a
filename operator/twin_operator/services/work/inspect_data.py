"""Watch a TwinModel's data without training: has it changed, is it well-formed, and how much is new? In a worker."""

from typing import Protocol

import numpy as np

from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.domain.learning.old_experiments import without_old_experiments
from twin_operator.domain.table.digests import new_rows
from twin_operator.domain.table.experiment_data import ExperimentData, prepare
from twin_operator.services.runs.payloads import plan_from_json
from twin_operator.services.runs.run import JSON, Outcome
from twin_operator.services.runs.times import timestamp
from twin_operator.services.runs.twin_spec import columns_of, source_of
from twin_operator.services.work.simulate import BankSource
from twin_operator.services.work.train import DataSource, refusals_as_outcomes


class TrainedVersions(BankSource, Protocol):
    """What a version was trained on, and by which plan."""

    def summary(self, name: str, version: str) -> JSON:
        """Return what was kept beside the bank of a version."""
        ...


def validate_data(payload: JSON, source: DataSource, versions: TrainedVersions) -> Outcome:
    """Carry out a validation task.

    Args:
        payload: `spec` of a TwinModel, as JSON; `known`: `stamp` and `digest` of the last look, None where that was
            for another spec or version; `registeredModel`, and the `version` that serves or None.
        source: where the data is read from.
        versions: where banks come from.

    Returns:
        `stamp`, and either `unchanged` (true), or `digest`, `rows` (usable), `newRows` (that the version was not
        trained on; None without one) and `newestRowTime` (RFC 3339 or None); or why the data cannot be trained on.
    """
    return refusals_as_outcomes(lambda: _look(payload, source, versions))


def _look(payload: JSON, source: DataSource, versions: TrainedVersions) -> Outcome:
    wanted, known = source_of(payload["spec"]), payload.get("known") or {}
    # Before the bytes: a change while they are read is then seen at the next look.
    stamp = source.stamp(wanted)
    if stamp is not None and stamp == known.get("stamp"):
        return Outcome(Reason.SUCCEEDED, "The data has not been touched.", {"unchanged": True, "stamp": stamp})
    raw = source.read(wanted)
    if raw.digest == known.get("digest"):
        return Outcome(Reason.SUCCEEDED, "The data has the same bytes.", {"unchanged": True, "stamp": stamp})
    data = prepare(raw.columns, columns_of(payload["spec"]))
    fresh = _new_rows(data, payload, versions)
    told = "" if fresh is None else f", {fresh} of them new"
    value = {
        "stamp": stamp,
        "digest": raw.digest,
        "rows": data.rows,
        "newRows": fresh,
        "newestRowTime": timestamp(_newest(data)),
    }
    return Outcome(Reason.SUCCEEDED, f"{data.rows} usable rows{told}.", value)


def _new_rows(data: ExperimentData, payload: JSON, versions: TrainedVersions) -> int | None:
    """Rows that the version was not trained on, but for experiments that its plan would leave out again."""
    name, version = payload["registeredModel"], payload["version"]
    if version is None:
        return None
    plan = plan_from_json(versions.summary(name, version)["plan"])
    considered = without_old_experiments(data, plan.newest_only).data
    return new_rows(considered.content, versions.bank(name, version).content)


def _newest(data: ExperimentData) -> float | None:
    if data.time is None or np.isnan(data.time).all():
        return None
    return float(np.nanmax(data.time))

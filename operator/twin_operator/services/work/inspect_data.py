"""Check a TwinModel's data without training: has it changed, is it valid, and how many rows are new? In a worker."""

from contextlib import suppress
from typing import Protocol

import numpy as np

from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.api.v1alpha1.fields import abbreviate
from twin_operator.domain.learning.old_experiments import without_old_experiments
from twin_operator.domain.table.digests import new_rows
from twin_operator.domain.table.experiment_data import ExperimentData, prepare
from twin_operator.services.runs.run import JSON, Outcome
from twin_operator.services.runs.times import moment
from twin_operator.services.runs.training_messages import (
    DataCheckPayload,
    DataFound,
    DataUnchanged,
    KnownData,
    TrainedVersion,
)
from twin_operator.services.runs.twin_spec import Source, columns_of, source_of
from twin_operator.services.work.simulate import BankSource
from twin_operator.services.work.train import DataSource, refusals_as_outcomes


class TrainedVersions(BankSource, Protocol):
    """What a version was trained on, and by which plan."""

    def summary(self, name: str, version: str) -> JSON:
        """Return what was kept next to the bank of a version."""
        ...


def validate_data(payload: DataCheckPayload, source: DataSource, versions: TrainedVersions) -> Outcome:
    """Run a validation task.

    Args:
        payload: of the task.
        source: where the data is read from.
        versions: where banks are read from.

    Returns:
        `DataFound` or `DataUnchanged`, or why the data cannot be trained on.
    """
    return refusals_as_outcomes(lambda: _check(payload, source, versions))


def _check(payload: DataCheckPayload, source: DataSource, versions: TrainedVersions) -> Outcome:
    wanted, known = source_of(payload.spec), payload.known or KnownData()
    # Read before the bytes: a change while they are read is then noticed at the next check.
    stamp = _stamp(source, wanted)
    if stamp is not None and stamp == known.stamp:
        return _unchanged("The data has not been touched.", stamp, payload, versions)
    raw = source.read(wanted)
    if raw.digest == known.digest:
        return _unchanged("The data has the same bytes.", stamp, payload, versions)
    data = prepare(raw.columns, columns_of(payload.spec))
    found = DataFound(
        stamp=stamp,
        digest=raw.digest,
        rows=data.rows,
        new_rows=_new_rows(data, payload, versions),
        newest_row_time=None if (newest := _newest(data)) is None else moment(newest),
    )
    return Outcome(Reason.SUCCEEDED, _sentence(found), found.wire())


def _stamp(source: DataSource, wanted: Source) -> str | None:
    """Return what changes with the data as a status can keep it: a web server's ETag may have any length."""
    stamp = source.stamp(wanted)
    return abbreviate(stamp) if stamp else None


def _unchanged(message: str, stamp: str | None, payload: DataCheckPayload, versions: TrainedVersions) -> Outcome:
    """Return that there is nothing new, once the version was read: that writes the tags of one of release 0.1.0."""
    with suppress(LookupError, ConnectionError):
        if payload.version is not None:
            versions.summary(payload.registered_model, payload.version)
    return Outcome(Reason.SUCCEEDED, message, DataUnchanged(stamp=stamp).wire())


def _sentence(found: DataFound) -> str:
    new = "" if found.new_rows is None else f", {found.new_rows} of them new"
    return f"{found.rows} usable rows{new}."


def _new_rows(data: ExperimentData, payload: DataCheckPayload, versions: TrainedVersions) -> int | None:
    """Count the rows that the version was not trained on, without experiments that its plan leaves out."""
    name, version = payload.registered_model, payload.version
    if version is None:
        return None
    plan = TrainedVersion.model_validate(versions.summary(name, version)).plan
    considered = without_old_experiments(data, plan.newest_only).data
    return new_rows(considered.content, versions.bank(name, version, payload.run_id).content)


def _newest(data: ExperimentData) -> float | None:
    if data.time is None or np.isnan(data.time).all():
        return None
    return float(np.nanmax(data.time))

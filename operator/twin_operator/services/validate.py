"""Look at a TwinModel's data without training: is it readable and well-formed, and which bytes is it? In a worker."""

from twin_operator.domain.errors import DomainError
from twin_operator.domain.experiment_data import prepare
from twin_operator.services.errors import Stalled
from twin_operator.services.tasks import JSON, Outcome
from twin_operator.services.train import DataSource
from twin_operator.services.twin_spec import columns_of, source_of


def validate_data(payload: JSON, source: DataSource) -> Outcome:
    """Carry out a validation task.

    Args:
        payload: `spec` of a TwinModel, as JSON.
        source: where the data is read from.

    Returns:
        rows and digest of the data, or why it cannot be trained on.
    """
    try:
        raw = source.read(source_of(payload["spec"]))
        prepare(raw.columns, columns_of(payload["spec"]))
    except Stalled as stalled:
        return Outcome(stalled.reason, stalled.message)
    except DomainError as error:
        return Outcome(error.reason, str(error))
    return Outcome("Succeeded", f"{raw.rows} rows.", {"rows": raw.rows, "dataDigest": raw.digest})

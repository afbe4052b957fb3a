"""The tables of the archive. A change here needs a revision in `migrations`; a test compares the two.

No foreign keys: an outcome may be recorded before its Simulation is stored (both arrive in batches of their own, each
again after a failure), and neither is to wait for the other.

A twin is (cluster, namespace, model). Rows of release 0.1.0 have no cluster until the operator of one takes them, and
no `run_id`; its outcomes have no namespace where their TwinModel is not known.
"""

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Double,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import TypeEngine

# As text that sorts like the moments it names and that SQLite's own date functions read.
_SQLITE_MOMENT = sqlite.DATETIME(  # type: ignore[no-untyped-call]
    storage_format="%(year)04d-%(month)02d-%(day)02d %(hour)02d:%(minute)02d:%(second)02d.%(microsecond)06d+00:00",
    regexp=r"(\d+)-(\d+)-(\d+) (\d+):(\d+):(\d+)\.(\d+)\+00:00",
)


class Moment(TypeDecorator[datetime]):
    """A moment in UTC, to the microsecond, in both databases."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Use text with an offset where the database has no type for moments."""
        return _SQLITE_MOMENT if dialect.name == "sqlite" else dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Write it in UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Read it in UTC, whatever the session's time zone is."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Words(TypeDecorator[str]):
    """Text of any length; a NUL, which PostgreSQL refuses in text, becomes the replacement character."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Write it without NUL."""
        return None if value is None else value.replace("\0", "\N{REPLACEMENT CHARACTER}")


METADATA: Final = MetaData()

# JSON, not JSONB: the text is kept as it was written, and with it every float to the last bit.
SIMULATIONS: Final = Table(
    "simulations",
    METADATA,
    Column("uid", Words, primary_key=True),
    Column("namespace", Words, nullable=False),
    Column("name", Words, nullable=False),
    Column("model", Words, nullable=False),
    Column("registered_model", Words),
    Column("model_version", Words),
    Column("arm", Words, nullable=False),
    Column("against", Words),
    Column("phase", Words, nullable=False),
    Column("reason", Words, nullable=False),
    Column("action", Words),
    Column("queued", Moment),
    Column("completed", Moment, nullable=False),
    Column("estimate", Double),
    Column("low", Double),
    Column("high", Double),
    Column("confidence", Double),
    Column("standard_error", Double),
    Column("calibrated", Boolean),
    Column("sampling_sd", Double),
    Column("experiment_share_squared", Double),
    Column("degrees_of_freedom", Double),
    Column("control_sd", Double),
    Column("treated_sd", Double),
    Column("weights_digest", Words),
    Column("matched", BigInteger),
    Column("population_share", Double),
    Column("population_size", BigInteger),
    Column("population_where", JSON(none_as_null=True)),
    Column("seed", BigInteger),
    Column("spec", JSON, nullable=False),
    Column("answer", JSON, nullable=False),
    Column("cluster", Words),
    Column("run_id", Words),
    Index("simulations_by_model", "model", "namespace", "completed"),
    Index("simulations_by_twin", "cluster", "namespace", "model", "completed"),
    Index("simulations_by_version", "registered_model", "model_version"),
    Index("simulations_by_completion", "completed"),
)

# Numbers are absent where they are not numbers: a relative error has none where effect and noise are 0.
OUTCOMES: Final = Table(
    "outcomes",
    METADATA,
    Column("simulation", Words, primary_key=True),
    Column("name", Words, nullable=False),
    Column("registered_model", Words, nullable=False),
    Column("model_version", Words, nullable=False),
    Column("experiment", Words, nullable=False),
    Column("arm", Words, nullable=False),
    Column("against", Words, nullable=False),
    Column("population_where", JSON, nullable=False),
    Column("population_share", Double),
    Column("estimate", Double),
    Column("standard_error", Double),
    Column("sampling_sd", Double),
    Column("experiment_share_squared", Double),
    Column("degrees_of_freedom", Double),
    Column("control_sd", Double),
    Column("treated_sd", Double),
    Column("observed", Double),
    Column("observed_sd", Double),
    Column("absolute_error", Double),
    Column("relative_error", Double),
    Column("standardized_error", Double),
    Column("covered", Boolean, nullable=False),
    Column("grade", Words, nullable=False),
    Column("hindsight", Boolean, nullable=False),
    Column("predicted_at", Moment, nullable=False),
    Column("time", Moment, nullable=False),
    Column("recorded", Moment, nullable=False),
    Column("cluster", Words),
    Column("namespace", Words),
    Column("model", Words),
    Column("run_id", Words),
    Index("outcomes_by_twin", "cluster", "namespace", "model", "recorded"),
    Index("outcomes_by_name", "cluster", "name"),
    Index("outcomes_by_time", "time"),
    Index("outcomes_by_experiment", "experiment"),
)

TAU_WEIGHTS: Final = Table(
    "tau_weights",
    METADATA,
    Column("digest", Words, primary_key=True),
    Column("tau", JSON, nullable=False),
    Column("weight", JSON, nullable=False),
    Column("experiments", Integer, nullable=False),
    Column("outcomes", Integer, nullable=False),
)

RETRAININGS: Final = Table(
    "retrainings",
    METADATA,
    Column("uid", Words, primary_key=True),
    Column("namespace", Words, nullable=False),
    Column("name", Words, nullable=False),
    Column("model", Words, nullable=False),
    Column("registered_model", Words, nullable=False),
    Column("trigger", Words, nullable=False),
    Column("phase", Words, nullable=False),
    Column("reason", Words, nullable=False),
    Column("message", Words, nullable=False),
    Column("promoted", Boolean, nullable=False),
    Column("approved_by", Words),
    Column("candidate_version", Words),
    Column("champion_version", Words),
    Column("completed", Moment, nullable=False),
    Column("status", JSON, nullable=False),
    Column("cluster", Words),
    Index("retrainings_by_model", "model", "namespace", "completed"),
    Index("retrainings_by_completion", "completed"),
)

"""The first tables: Simulations, outcomes, tau weights and retrainings."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make them."""
    _simulations()
    _outcomes()
    _tau_weights()
    _retrainings()


def _texts(*names: str, nullable: bool = False) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=nullable) for name in names]


def _figures(*names: str) -> list[sa.Column[float]]:
    return [sa.Column(name, sa.Double) for name in names]


def _simulations() -> None:
    op.create_table(
        "simulations",
        sa.Column("uid", sa.Text, primary_key=True),
        *_texts("namespace", "name", "model"),
        *_texts("registered_model", "model_version", nullable=True),
        *_texts("arm"),
        *_texts("against", nullable=True),
        *_texts("phase", "reason"),
        *_texts("action", nullable=True),
        sa.Column("queued", _MOMENT),
        sa.Column("completed", _MOMENT, nullable=False),
        *_figures("estimate", "low", "high", "confidence", "standard_error"),
        sa.Column("calibrated", sa.Boolean),
        *_figures("sampling_sd", "experiment_share_squared", "degrees_of_freedom", "control_sd", "treated_sd"),
        *_texts("weights_digest", nullable=True),
        sa.Column("matched", sa.BigInteger),
        *_figures("population_share"),
        sa.Column("population_size", sa.BigInteger),
        sa.Column("population_where", sa.JSON),
        sa.Column("seed", sa.BigInteger),
        sa.Column("spec", sa.JSON, nullable=False),
        sa.Column("answer", sa.JSON, nullable=False),
    )
    op.create_index("simulations_by_model", "simulations", ["model", "namespace", "completed"])
    op.create_index("simulations_by_version", "simulations", ["registered_model", "model_version"])
    op.create_index("simulations_by_completion", "simulations", ["completed"])


def _outcomes() -> None:
    op.create_table(
        "outcomes",
        sa.Column("simulation", sa.Text, primary_key=True),
        *_texts("name", "registered_model", "model_version", "experiment", "arm", "against"),
        sa.Column("population_where", sa.JSON, nullable=False),
        *_figures("population_share", "estimate", "standard_error", "sampling_sd", "experiment_share_squared"),
        *_figures("degrees_of_freedom", "control_sd", "treated_sd", "observed", "observed_sd"),
        *_figures("absolute_error", "relative_error", "standardized_error"),
        sa.Column("covered", sa.Boolean, nullable=False),
        *_texts("grade"),
        sa.Column("hindsight", sa.Boolean, nullable=False),
        *(sa.Column(name, _MOMENT, nullable=False) for name in ("predicted_at", "time", "recorded")),
    )
    op.create_index("outcomes_by_model", "outcomes", ["registered_model", "recorded"])
    op.create_index("outcomes_by_time", "outcomes", ["time"])
    op.create_index("outcomes_by_experiment", "outcomes", ["experiment"])


def _tau_weights() -> None:
    op.create_table(
        "tau_weights",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("tau", sa.JSON, nullable=False),
        sa.Column("weight", sa.JSON, nullable=False),
        sa.Column("experiments", sa.Integer, nullable=False),
        sa.Column("outcomes", sa.Integer, nullable=False),
    )


def _retrainings() -> None:
    op.create_table(
        "retrainings",
        sa.Column("uid", sa.Text, primary_key=True),
        *_texts("namespace", "name", "model", "registered_model", "trigger", "phase", "reason", "message"),
        sa.Column("promoted", sa.Boolean, nullable=False),
        *_texts("approved_by", "candidate_version", "champion_version", nullable=True),
        sa.Column("completed", _MOMENT, nullable=False),
        sa.Column("status", sa.JSON, nullable=False),
    )
    op.create_index("retrainings_by_model", "retrainings", ["model", "namespace", "completed"])
    op.create_index("retrainings_by_completion", "retrainings", ["completed"])

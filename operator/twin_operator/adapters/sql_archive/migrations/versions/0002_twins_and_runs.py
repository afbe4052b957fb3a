"""A twin is (cluster, namespace, model), and a version is the MLflow run that made it.

Rows of release 0.1.0 name no cluster: that of the operator that opens the archive takes them. Their runs stay unknown.
An outcome is given the twin of its Simulation; where that is not stored, the only twin whose Simulations name its
registered model, or else the one after which the registered model is named.
"""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_COLUMNS: Final = {
    "simulations": ("cluster", "run_id"),
    "outcomes": ("cluster", "namespace", "model", "run_id"),
    "retrainings": ("cluster",),
}
_SIMULATIONS: Final = sa.table(
    "simulations", *(sa.column(name) for name in ("uid", "namespace", "model", "registered_model"))
)
_OUTCOMES: Final = sa.table(
    "outcomes", *(sa.column(name) for name in ("simulation", "namespace", "model", "registered_model"))
)


def upgrade() -> None:
    """Add the columns, fill those of outcomes, and index them."""
    for table, names in _COLUMNS.items():
        for name in names:
            op.add_column(table, sa.Column(name, sa.Text))
    _take_twins_of_simulations()
    _take_twins_of_registered_models()
    op.drop_index("outcomes_by_model", "outcomes")
    op.create_index("outcomes_by_twin", "outcomes", ["cluster", "namespace", "model", "recorded"])
    op.create_index("outcomes_by_name", "outcomes", ["cluster", "name"])
    op.create_index("simulations_by_twin", "simulations", ["cluster", "namespace", "model", "completed"])


def _take_twins_of_simulations() -> None:
    same = _SIMULATIONS.c.uid == _OUTCOMES.c.simulation
    values = {name: sa.select(_SIMULATIONS.c[name]).where(same).scalar_subquery() for name in ("namespace", "model")}
    op.execute(sa.update(_OUTCOMES).values(values))


def _take_twins_of_registered_models() -> None:
    connection = op.get_bind()
    unknown = sa.select(_OUTCOMES.c.registered_model).where(_OUTCOMES.c.namespace.is_(None)).distinct()
    for name in connection.execute(unknown).scalars().all():
        twin = _twin_of(connection, name)
        if twin is not None:
            of_it = sa.and_(_OUTCOMES.c.registered_model == name, _OUTCOMES.c.namespace.is_(None))
            op.execute(sa.update(_OUTCOMES).where(of_it).values(namespace=twin[0], model=twin[1]))


def _twin_of(connection: sa.Connection, registered_model: str) -> tuple[str, str] | None:
    """Return namespace and name of a registered model's twin; None where several have it, or nothing names one."""
    columns = _SIMULATIONS.c.namespace, _SIMULATIONS.c.model
    asked = sa.select(*columns).where(_SIMULATIONS.c.registered_model == registered_model).distinct().limit(2)
    found = connection.execute(asked).all()
    if len(found) == 1:
        return str(found[0][0]), str(found[0][1])
    namespace, dot, name = registered_model.partition(".")
    return (namespace, name) if dot and not found else None

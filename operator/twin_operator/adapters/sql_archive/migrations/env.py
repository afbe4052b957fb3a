"""What Alembic runs for each command: the revisions, on the connection that `migrating` hands over."""

from alembic import context

from twin_operator.adapters.sql_archive.migrating import VERSION_TABLE
from twin_operator.adapters.sql_archive.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
    render_as_batch=True,  # SQLite alters a table by copying it
)
with context.begin_transaction():
    context.run_migrations()

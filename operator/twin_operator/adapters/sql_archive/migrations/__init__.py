"""The history of the archive's schema, run by Alembic. A revision that was released is never changed."""

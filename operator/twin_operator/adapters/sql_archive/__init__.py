"""The archive in SQLite or PostgreSQL: `archive` writes and reads it for the operator, `reader` for people.

`schema` has the tables, `codec` turns values of the domain into rows and back, `address` and `engine` know the two
databases, `migrating` brings a database to the schema of this version.
"""

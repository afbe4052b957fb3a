"""The archive in SQLite or PostgreSQL: `archive` writes and reads it for the operator, `reader` for users.

`schema` has the tables, `codec` turns values of the domain into rows and back, `engine` knows the two databases,
`migrating` brings a database to the schema of this version.
"""

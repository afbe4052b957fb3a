"""Builds the object graphs of the operator and of a worker; read top to bottom."""

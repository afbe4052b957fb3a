"""Rows of past experiments: the columns that a spec names, read and checked. Nothing is learned here."""

"""One module a revision, named by its number and its subject."""

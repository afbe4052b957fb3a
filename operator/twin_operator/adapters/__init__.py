"""One module a real system; independent of each other."""

"""Use cases, one module each: they decide from snapshots and act through ports; no library of a real system here."""

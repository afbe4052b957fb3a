"""Use cases, a package for each concept: they decide from snapshots and a clock, and act through ports.

No library of a real system belongs here. From the lowest: `runs` and `reconciling` are shared, `versions`, `archive`,
`work` and `outcomes` are used by the controllers of `simulations`, `retraining`, `twin_models` and `pools`, which
`operator` runs.
"""

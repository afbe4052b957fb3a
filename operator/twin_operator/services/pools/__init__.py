"""WorkerPools: the Deployment that each owns, how many workers it wants, and how some of them go without losing work.

Pure: `refusals`, `manifest`, `template`, `loads`, `scale_in`, `workers`, `status`, `news`. `scaler` and `reconciler`
act.
"""

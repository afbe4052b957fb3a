"""WorkerPools: the Deployment of each, how many workers it has, and how workers are removed without losing tasks.

Pure: `manifest`, `loads`, `workers`, `pool_index`, `status`. `scaler` and `reconciler` read and write.
"""

"""The model registry over MLflow's REST API, for the operator's event loop; workers use the `mlflow` package."""

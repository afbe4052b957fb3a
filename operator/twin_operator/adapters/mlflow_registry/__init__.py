"""The MLflow registry of a worker, with the `mlflow` package: versions and their files."""

from twin_operator.adapters.mlflow_registry.registry import MlflowRegistry

__all__ = ["MlflowRegistry"]

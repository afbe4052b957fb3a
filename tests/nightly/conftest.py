"""The soak's operator, workers and Redis: those of the slow tests."""

from tests.slow.conftest import (  # noqa: F401 - fixtures
    killable_redis,
    kube,
    mlflow_server,
    platform,
    redis_restart,
    trained,
)

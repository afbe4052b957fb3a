"""The soak's operator, workers and Redis: those of the slow tests."""

from tests.integration.conftest import kube, mlflow_server  # noqa: F401 - fixtures
from tests.slow.conftest import killable_redis, platform, redis_restart, trained  # noqa: F401 - fixtures

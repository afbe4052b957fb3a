"""Redis, MLflow and PostgreSQL as the chart runs them, and how operator and workers come to them."""

from __future__ import annotations

import json
import re
from importlib.metadata import version

from tests.integration import redis_users
from tests.integration.chart.conftest import Helm
from tests.integration.chart.test_chart import BUNDLED, DATABASE, archive_of, environment, pick


def test_the_bundled_redis_has_the_users_that_the_tests_run_under(helm: Helm) -> None:
    config = pick(helm.template(BUNDLED), "ConfigMap", "twin-operator-redis")["data"]
    assert config["users.acl"].splitlines() == redis_users.rules()
    assert "maxmemory-policy noeviction" in config["redis.conf"]


def test_operator_and_workers_come_to_the_bundled_redis_as_users_of_their_own(helm: Helm) -> None:
    variables = environment(helm.template(BUNDLED))
    workers = {each["name"]: each for each in json.loads(variables["TWINOPS_WORKER_ENV"])}
    assert variables["TWINOPS_REDIS_URL"] == "redis://operator:$(REDIS_PASSWORD)@twin-operator-redis.default.svc:6379/0"
    assert variables["REDIS_PASSWORD"] == {"secretKeyRef": {"name": "twin-operator-redis", "key": "operator"}}
    assert workers["TWINOPS_REDIS_URL"]["value"].startswith("redis://worker:$$(REDIS_PASSWORD)@")
    assert workers["REDIS_PASSWORD"]["valueFrom"]["secretKeyRef"]["key"] == "worker"


def test_the_archive_is_in_the_bundled_postgresql_and_mlflow_in_a_database_of_its_own(helm: Helm) -> None:
    manifests = helm.template(BUNDLED)
    assert archive_of(manifests) == {
        **DATABASE,
        "replicas": 2,
        "url": "postgresql+psycopg://archive:$(ARCHIVE_PASSWORD)@twin-operator-postgresql.default.svc:5432/archive",
    }
    container = pick(manifests, "StatefulSet", "twin-operator-mlflow")["spec"]["template"]["spec"]["containers"][0]
    store = next(each["value"] for each in container["env"] if each["name"] == "MLFLOW_BACKEND_STORE_URI")
    assert store == "postgresql://mlflow:$(MLFLOW_PASSWORD)@twin-operator-postgresql.default.svc:5432/mlflow"


def test_with_tls_operator_and_workers_know_the_authority_and_nobody_sees_its_key(helm: Helm) -> None:
    manifests = helm.template((*BUNDLED, "--set", "redis.tls.enabled=true"))
    variables = environment(manifests)
    pod = pick(manifests, "Deployment")["spec"]["template"]["spec"]
    everywhere = json.loads(variables["TWINOPS_WORKER_TEMPLATE"])["spec"]
    assert variables["TWINOPS_REDIS_CA_FILE"] == "/etc/twin-operator/redis/ca.crt"
    assert variables["TWINOPS_REDIS_URL"].startswith("rediss://")
    authority = {"secretName": "twin-operator-redis-tls", "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    for volumes in (pod["volumes"], everywhere["volumes"]):
        assert {"name": "redis-ca", "secret": authority} in volumes


def test_images_of_bundled_services_name_a_version(helm: Helm) -> None:
    sets = [each for each in helm.template(BUNDLED) if each["kind"] == "StatefulSet"]
    images = [each["spec"]["template"]["spec"]["containers"][0]["image"] for each in sets]
    assert len(images) == 3
    assert f"ghcr.io/mlflow/mlflow:v{version('mlflow')}-full" in images
    assert all(re.search(r":v?\d+\.\d+", image) for image in images)

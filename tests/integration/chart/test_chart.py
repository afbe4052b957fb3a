"""The chart, rendered by a real Helm and judged by a real API server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
import yaml

from tests.integration.chart.conftest import Helm
from tests.integration.conftest import Kube
from twin_operator.settings import Settings

ADDRESSES = ("--set", "redis.url=redis://redis.data:6379/0", "--set", "mlflow.trackingUri=http://mlflow.ml:5000")
EVERYTHING = (
    *ADDRESSES,
    *("--set", "fullnameOverride=twins"),
    *("--set", "image.digest=sha256:" + "0" * 64),
    *("--set-json", 'imagePullSecrets=[{"name":"pull"}]'),
    *("--set-json", 'workers.data.volume={"persistentVolumeClaim":{"claimName":"experiments"}}'),
    *("--set-json", 'workers.env=[{"name":"AWS_REGION","value":"eu-central-1"}]'),
    *("--set-json", 'operator.env=[{"name":"MLFLOW_WORKSPACE","value":"growth"}]'),
    *("--set-json", 'operator.tolerations=[{"key":"dedicated","operator":"Exists"}]'),
    *("--set", "operator.nodeSelector.pool=system", "--set", "operator.podLabels.team=growth"),
    *("--set", "operator.priorityClassName=system-cluster-critical"),
    *("--set", "metrics.service.enabled=true", "--set", "metrics.service.annotations.a=b"),
    *("--set", "archive.persistence.storageClassName=fast", "--set", "archive.persistence.size=10Gi"),
    *("--set", "dataWatch.intervalSeconds=60"),
    *(
        "--set",
        "events.enabled=true",
        "--set",
        "events.service.annotations.a=b",
        "--set",
        "events.podLabels.team=growth",
    ),
    *("--set-json", 'events.env=[{"name":"TWINOPS_EVENTS_FORGET_SECONDS","value":"900"}]'),
    *("--set-json", 'events.tolerations=[{"key":"dedicated","operator":"Exists"}]'),
    *("--set", "signing.existingSecret.name=signing", "--set", "signing.existingSecret.key=hmac"),
)
SECRET = (
    *("--set", "redis.existingSecret.name=redis", "--set", "redis.existingSecret.key=url"),
    *("--set", "mlflow.trackingUri=http://mlflow.ml:5000"),
    *("--set", "mlflow.existingSecret.name=mlflow"),
)
NAMESPACED = (*ADDRESSES, "--set", "watchNamespaces={default}", "--set", "workerPools.namespaces={kube-public}")
POSTGRESQL = (
    *(*ADDRESSES, "--set", "operator.replicas=2"),
    *("--set", "archive.existingSecret.name=archive", "--set", "archive.existingSecret.key=url"),
)
BUNDLED = (
    *("--set", "redis.bundled.enabled=true", "--set", "mlflow.bundled.enabled=true"),
    *("--set", "postgresql.bundled.enabled=true", "--set", "operator.replicas=2"),
)
NETWORK = (*BUNDLED, "--set", "networkPolicy.enabled=true", "--set", "workerPools.namespaces={kube-public}")
OBJECT_STORE = '[{"ports":[{"port":443}],"to":[{"ipBlock":{"cidr":"10.1.0.0/16"}}]}]'
NETWORK_OF_ONES_OWN = (
    *(*POSTGRESQL, "--set", "networkPolicy.enabled=true"),
    *("--set", "networkPolicy.egress.nodeLocalDns=169.254.20.10/32"),
    *("--set-json", f"networkPolicy.egress.data={OBJECT_STORE}"),
)
BUNDLED_TLS = (
    *("--set", "redis.bundled.enabled=true", "--set", "redis.tls.enabled=true", "--set", "fullnameOverride=twins"),
    *("--set", "redis.bundled.persistence.enabled=false", "--set", "redis.bundled.existingSecret=passwords"),
    *("--set", "mlflow.bundled.enabled=true", "--set", "mlflow.bundled.persistence.storageClassName=fast"),
    *("--set", "mlflow.bundled.image.digest=sha256:" + "0" * 64),
)
BARE = (
    *(*ADDRESSES, "--set-json", 'archive.volume={"emptyDir":{}}'),
    *("--set", "approvalPolicy.enabled=false", "--set", "userRoles.create=false"),
    *("--set", "workerPools.templatePolicy.enabled=false"),
)
VALUE_SETS = {
    "addresses": ADDRESSES,
    "everything": EVERYTHING,
    "secret": SECRET,
    "namespaced": NAMESPACED,
    "postgresql": POSTGRESQL,
    "bare": BARE,
    "bundled": BUNDLED,
    "network": NETWORK,
    "network with services of one's own": NETWORK_OF_ONES_OWN,
    "bundled with TLS": BUNDLED_TLS,
}

Manifest = dict[str, Any]


def pick(manifests: list[Manifest], kind: str, name: str = "twin-operator") -> Manifest:
    return next(each for each in manifests if each["kind"] == kind and each["metadata"]["name"] == name)


def environment(manifests: list[Manifest]) -> dict[str, Any]:
    container = pick(manifests, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container["env"]}


@pytest.mark.parametrize("values", VALUE_SETS.values(), ids=VALUE_SETS)
def test_helm_lint_has_nothing_to_say(helm: Helm, values: Sequence[str]) -> None:
    answer = helm("lint", "--strict", helm.chart, *helm.version, *values)
    assert answer.returncode == 0, answer.stdout


@pytest.mark.parametrize("values", VALUE_SETS.values(), ids=VALUE_SETS)
def test_the_api_server_takes_every_manifest(helm: Helm, kube: Kube, values: Sequence[str]) -> None:
    manifests = helm.template(values)
    accounts = [each for each in manifests if each["kind"] == "ServiceAccount"]
    kube.apply(*accounts)  # a Pod, that of `helm test`, is refused where its account is not there
    text = yaml.safe_dump_all(manifests)
    kube.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", input=text)
    kube.kubectl("delete", "-f", "-", input=yaml.safe_dump_all(accounts))


@pytest.mark.parametrize(
    ("values", "sentences"),
    [
        ((), ("Redis: give exactly one of redis.url, redis.existingSecret and redis.bundled.enabled=true; 0 of them",)),
        ((*ADDRESSES, "--set", "redis.bundled.enabled=true"), ("Redis: give exactly one of", "2 of them are given")),
        (ADDRESSES[:2], ("MLflow: give exactly one of mlflow.trackingUri and mlflow.bundled.enabled=true; 0 of them",)),
        (
            (*ADDRESSES, "--set", "redis.tls.enabled=true"),
            ("Redis: with redis.tls.enabled the address begins with",),
        ),
        ((*BUNDLED, "--set", "redis.bundled.image.tag=latest"), ("at '/redis/bundled/image/tag': 'not' failed",)),
        ((*BUNDLED, "--set", "redis.bundled.maxMemory=lots"), ("at '/redis/bundled/maxMemory'", "pattern")),
        (
            (*ADDRESSES, "--set", "redis.url=localhost:6379"),
            ("at '/redis/url'", "does not match pattern '^(rediss?://"),
        ),
        ((*ADDRESSES, "--set", "mlflow.trackingUri=mlflow"), ("at '/mlflow/trackingUri'", "'^(https?://")),
        ((*ADDRESSES, "--set", "redis.existingSecret.name=a"), ("at '/redis/existingSecret'", "property 'key'")),
        ((*ADDRESSES, "--set", "mlfow.trackingUri=x"), ("additional properties 'mlfow' not allowed",)),
        (
            (*ADDRESSES, "--set", "operator.replicas=2"),
            ("at '/archive/url': minLength", "'/archive/existingSecret': min", "'/postgresql/bundled/enabled'"),
        ),
        ((*ADDRESSES, "--set", "operator.replicas=0"), ("at '/operator/replicas': minimum",)),
        ((*ADDRESSES, "--set", "archive.url=mysql://host/db"), ("at '/archive/url'", "'^(postgresql")),
        ((*ADDRESSES, "--set", "archive.existingSecret.name=a"), ("at '/archive/existingSecret'", "property 'key'")),
        ((*POSTGRESQL, "--set", "archive.url=postgresql://host/db"), ("at '/archive/url': maxLength",)),
        ((*ADDRESSES, "--set", "archive.persistence.size=large"), ("at '/archive/persistence/size'", "pattern")),
        ((*ADDRESSES, "--set", "signing.existingSecret.name=a"), ("at '/signing/existingSecret'", "property 'key'")),
        ((*ADDRESSES, "--set", "dataWatch.intervalSeconds=9"), ("at '/dataWatch/intervalSeconds': minimum",)),
        ((*ADDRESSES, "--set", "approvalPolicy.create=true"), ("at '/approvalPolicy'", "'create' not allowed")),
        ((*ADDRESSES, "--set", "events.replicas=2"), ("at '/events'", "'replicas' not allowed")),
        ((*ADDRESSES, "--set", "logFormat=xml"), ("at '/logFormat'", "'json', 'text'")),
        ((*ADDRESSES, "--set", "tracing.endpoint=collector:4317"), ("at '/tracing/endpoint'", "match pattern")),
        ((*ADDRESSES, "--set", "tracing.sampleRatio=10"), ("at '/tracing/sampleRatio'", "maximum: got 10")),
        ((*ADDRESSES, "--set", "data.allow={/data}"), ("at '/data/allow/0'", "does not match pattern")),
        ((*ADDRESSES, "--set", "data.allow[0].prefix=s3://a/"), ("at '/data/allow/0'", "property 'namespaces'")),
        ((*ADDRESSES, "--set", "workerPools.pools.light.replicas=-1"), ("pools/light/replicas': minimum: got -1",)),
        (
            (*ADDRESSES, "--set", "workerPools.pools.light.autoscaling.max=3"),
            ("pools/light/autoscaling'", "'max' not allowed"),
        ),
        ((*ADDRESSES, "--set", "workerPools.pools.light.queue=a"), ("pools/light'", "'queue' not allowed")),
        ((*ADDRESSES, "--set-json", "workerPools.pools.light.queues=[]"), ("pools/light/queues': minItems",)),
        ((*ADDRESSES, "--set", "workerPools.allowed.pods={a}"), ("at '/workerPools/allowed'", "'pods' not allowed")),
        ((*ADDRESSES, "--set", "workerPools.allowed.secrets={A}"), ("at '/workerPools/allowed/secrets/0'", "pattern")),
        ((*ADDRESSES, "--set", "image.digest=abc"), ("at '/image/digest'", "does not match pattern")),
        ((*BUNDLED, "--set", "redis.bundled.image.digest=abc"), ("at '/redis/bundled/image/digest'", "pattern")),
        ((*ADDRESSES, "--set", "mlflow.existingSecret.tokenKey=t"), ("at '/mlflow/existingSecret'", "property 'name'")),
        (
            (*ADDRESSES, "--set-json", 'mlflow.existingSecret={"name":"a","tokenKey":"t","usernameKey":"u"}'),
            ("at '/mlflow/existingSecret/usernameKey': maxLength",),
        ),
        (
            (*BUNDLED, "--set", "mlflow.existingSecret.name=a"),
            ("MLflow: mlflow.existingSecret is used only with mlflow.trackingUri",),
        ),
    ],
)
def test_the_schema_refuses_bad_values(helm: Helm, values: Sequence[str], sentences: Sequence[str]) -> None:
    answer = helm("template", "twin-operator", helm.chart, *helm.version, *values)
    assert answer.returncode != 0
    for sentence in sentences:
        assert sentence in answer.stderr


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("mlflow.trackingUri=http://bob:sesame@mlflow", "name that in mlflow.existingSecret."),
        ("mlflow.trackingUri=https://sesame@mlflow", "name that in mlflow.existingSecret."),
        ("mlflow.trackingUri=bob:sesame@mlflow", "name that in mlflow.existingSecret."),
        ("redis.url=redis://:sesame@redis:6379/0", "name that in redis.existingSecret."),
        ("redis.url=redis://redis:6379/0?password=sesame", "name that in redis.existingSecret."),
        ("redis.url=redis:sesame@redis", "name that in redis.existingSecret."),
        ("archive.url=postgresql://jane:sesame@db/archive", "name that in archive.existingSecret."),
        ("archive.url=postgresql://db/archive?sslpassword=sesame", "name that in archive.existingSecret."),
        ("tracing.endpoint=http://jane:sesame@collector:4318", "set OTEL_EXPORTER_OTLP_HEADERS from a Secret"),
    ],
)
def test_an_address_with_credentials_is_refused_and_not_repeated(helm: Helm, value: str, sentence: str) -> None:
    answer = helm("template", "twin-operator", helm.chart, *helm.version, *ADDRESSES, "--set", value)
    assert answer.returncode != 0
    assert sentence in answer.stderr
    assert "sesame" not in answer.stderr + answer.stdout


@pytest.mark.parametrize("section", ["operator", "workers", "events"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_SECRET_ACCESS_KEY", "sesame"),
        ("AWS_SESSION_TOKEN", "sesame"),
        ("AZURE_STORAGE_CONNECTION_STRING", "AccountKey=sesame"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=sesame"),
        ("pg_password", "sesame"),
        ("HTTPS_PROXY", "http://jane:sesame@proxy:3128"),
    ],
)
def test_a_credential_among_the_variables_is_refused_and_not_repeated(
    helm: Helm, section: str, name: str, value: str
) -> None:
    given = json.dumps([{"name": "AWS_REGION", "value": "eu-central-1"}, {"name": name, "value": value}])
    answer = helm("template", "x", helm.chart, *helm.version, *ADDRESSES, "--set-json", f"{section}.env={given}")
    assert answer.returncode != 0
    assert f"{section}.env: {name} must not hold a credential; put it into a Secret" in answer.stderr
    assert "sesame" not in answer.stderr + answer.stdout


@pytest.mark.parametrize(
    "variable",
    [
        {"name": "AWS_SECRET_ACCESS_KEY", "valueFrom": {"secretKeyRef": {"name": "s3", "key": "secret"}}},
        {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/var/run/secrets/token"},
        {"name": "GOOGLE_APPLICATION_CREDENTIALS", "value": "/var/run/secrets/google.json"},
        {"name": "AWS_ACCESS_KEY_ID", "value": "AKIAEXAMPLE"},
        {"name": "TOKEN_AUDIENCE_NAME", "value": "mlflow"},
        {"name": "HTTPS_PROXY", "value": "http://proxy:3128"},
    ],
)
def test_variables_without_a_credential_are_taken(helm: Helm, variable: dict[str, object]) -> None:
    rendered = environment(helm.template((*ADDRESSES, "--set-json", f"operator.env={json.dumps([variable])}")))
    assert variable["name"] in rendered


@pytest.mark.parametrize("url", ["postgresql://jane@db:5432/archive", "postgresql://db:5432/archive?user=jane@db"])
def test_the_archives_address_may_name_a_user(helm: Helm, url: str) -> None:
    assert environment(helm.template((*ADDRESSES, "--set", f"archive.url={url}")))["TWINOPS_ARCHIVE_URL"] == url


@pytest.mark.parametrize(
    ("values", "keys"),
    [
        ({}, {"USERNAME": "username", "PASSWORD": "password"}),
        ({"usernameKey": "u", "passwordKey": "p"}, {"USERNAME": "u", "PASSWORD": "p"}),
        ({"tokenKey": "token"}, {"TOKEN": "token"}),
    ],
)
def test_operator_and_workers_have_the_credentials_of_mlflow_from_a_secret(
    helm: Helm, values: dict[str, str], keys: dict[str, str]
) -> None:
    secret = json.dumps({"name": "mlflow", **values})
    variables = environment(helm.template((*ADDRESSES, "--set-json", f"mlflow.existingSecret={secret}")))
    for_workers = {each["name"]: each.get("valueFrom") for each in json.loads(variables["TWINOPS_WORKER_ENV"])}
    expected = {
        f"MLFLOW_TRACKING_{name}": {"secretKeyRef": {"name": "mlflow", "key": key}} for name, key in keys.items()
    }
    for seen in (variables, for_workers):
        assert {name: value for name, value in seen.items() if name.startswith("MLFLOW_TRACKING_")} == expected


def test_a_cluster_before_1_32_is_refused(helm: Helm) -> None:
    answer = helm("template", "twin-operator", helm.chart, "--kube-version", "1.31.9", *ADDRESSES)
    assert "requires kubeVersion: >=1.32" in answer.stderr


def test_a_limited_prefix_reaches_the_workers_as_it_is(helm: Helm) -> None:
    allow = ["gs://", {"prefix": "s3://payments/", "namespaces": ["payments"]}]
    variables = environment(helm.template((*ADDRESSES, "--set-json", f"data.allow={json.dumps(allow)}")))
    for_workers = {each["name"]: each.get("value") for each in json.loads(variables["TWINOPS_WORKER_ENV"])}
    assert json.loads(for_workers["TWINOPS_DATA_ALLOW"]) == allow


def test_operator_and_workers_get_the_addresses_by_environment(helm: Helm) -> None:
    variables = environment(helm.template(ADDRESSES))
    for_workers = {each["name"]: each.get("value") for each in json.loads(variables["TWINOPS_WORKER_ENV"])}
    for seen in (variables, for_workers):
        assert seen["TWINOPS_REDIS_URL"] == "redis://redis.data:6379/0"
        assert seen["TWINOPS_MLFLOW_TRACKING_URI"] == "http://mlflow.ml:5000"
        assert json.loads(seen["TWINOPS_DATA_ALLOW"])[0] == "file:///data/"
    assert variables["TWINOPS_WORKER_IMAGE"] == "twin-operator:0.1.0"
    assert variables["TWINOPS_WORKER_SERVICE_ACCOUNT"] == "twin-operator-worker"
    assert variables["TWINOPS_BIND_ADDRESS"] == "$(POD_IP)"


def test_operator_and_workers_send_spans_where_an_endpoint_is_given(helm: Helm) -> None:
    assert not [name for name in environment(helm.template(ADDRESSES)) if name.startswith("OTEL_")]
    endpoint = ("--set", "tracing.endpoint=http://collector:4318", "--set", "tracing.sampleRatio=0.25")
    variables = environment(helm.template((*ADDRESSES, *endpoint)))
    for_workers = {each["name"]: each.get("value") for each in json.loads(variables["TWINOPS_WORKER_ENV"])}
    for seen in (variables, for_workers):
        assert seen["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector:4318"
        assert seen["OTEL_TRACES_SAMPLER"] == "parentbased_traceidratio"
        assert seen["OTEL_TRACES_SAMPLER_ARG"] == "0.25"


def test_a_redis_address_with_a_password_stays_in_its_secret(helm: Helm) -> None:
    variables = environment(helm.template(SECRET))
    reference = {"secretKeyRef": {"name": "redis", "key": "url"}}
    assert variables["TWINOPS_REDIS_URL"] == reference
    workers = json.loads(variables["TWINOPS_WORKER_ENV"])
    assert workers[0] == {"name": "TWINOPS_REDIS_URL", "valueFrom": reference}


def signing_of(manifests: list[Manifest]) -> list[Manifest]:
    """Return the references to keys: the operator's, which have to be the workers' as well."""
    variables = environment(manifests)
    workers = {each["name"]: each.get("valueFrom") for each in json.loads(variables["TWINOPS_WORKER_ENV"])}
    names = ("TWINOPS_SIGNING_KEY", "TWINOPS_SIGNING_KEY_PREVIOUS")
    found = [variables[name]["secretKeyRef"] for name in names if name in variables]
    assert found == [workers[name]["secretKeyRef"] for name in names if name in workers]
    return found


def created_by(manifests: list[Manifest]) -> list[str]:
    """Return the arguments of the Job that creates Secrets; none where there is no Job."""
    jobs = [each for each in manifests if each["kind"] == "Job"]
    containers = [job["spec"]["template"]["spec"]["containers"][0] for job in jobs]
    return [argument for each in containers if each["name"] == "secrets" for argument in each["args"]]


def test_the_chart_has_one_key_created_for_operator_and_workers_of_every_pool(helm: Helm) -> None:
    manifests = helm.template(NAMESPACED)
    assert signing_of(manifests) == [
        {"name": "twin-operator-signing", "key": "key"},
        {"name": "twin-operator-signing", "key": "previous", "optional": True},
    ]
    assert created_by(manifests) == [
        *("--release=twin-operator", "--namespace=default"),
        *("--signing-key=twin-operator-signing", "--copy-to=kube-public"),
    ]


def test_a_key_of_ones_own_is_used_and_none_is_created(helm: Helm) -> None:
    own = ("--set", "signing.existingSecret.name=signing", "--set", "signing.existingSecret.key=hmac")
    manifests = helm.template((*ADDRESSES, *own))
    assert [each["name"] for each in signing_of(manifests)] == ["signing", "signing"]
    assert [each["key"] for each in signing_of(manifests)] == ["hmac", "previous"]
    assert created_by(manifests) == []


def test_signing_can_be_left_out(helm: Helm) -> None:
    manifests = helm.template((*ADDRESSES, "--set", "signing.enabled=false"))
    assert (signing_of(manifests), created_by(manifests)) == ([], [])


def archive_of(manifests: list[Manifest]) -> Manifest:
    """Return what the operator's Deployment says about the archive."""
    spec = pick(manifests, "Deployment")["spec"]
    pod = spec["template"]["spec"]
    return {
        "strategy": spec["strategy"]["type"],
        "replicas": spec["replicas"],
        "url": environment(manifests)["TWINOPS_ARCHIVE_URL"],
        "volumes": [volume for volume in pod["volumes"] if volume["name"] == "archive"],
        "paths": [each["mountPath"] for each in pod["containers"][0]["volumeMounts"] if each["name"] == "archive"],
        "claims": [each["metadata"]["name"] for each in manifests if each["kind"] == "PersistentVolumeClaim"],
    }


CLAIM = {"persistentVolumeClaim": {"claimName": "twin-operator-archive"}}
FILE = {
    "strategy": "Recreate",
    "replicas": 1,
    "url": "sqlite:////var/lib/twin-operator/archive.db",
    "volumes": [{"name": "archive", **CLAIM}],
    "paths": ["/var/lib/twin-operator"],
    "claims": ["twin-operator-archive"],
}
DATABASE = {"strategy": "RollingUpdate", "replicas": 1, "volumes": [], "paths": [], "claims": []}
SECRET_KEY = {"secretKeyRef": {"name": "archive", "key": "url"}}


@pytest.mark.parametrize(
    ("values", "archive"),
    [
        (ADDRESSES, FILE),
        (BARE, {**FILE, "volumes": [{"name": "archive", "emptyDir": {}}], "claims": []}),
        ((*ADDRESSES, "--set", "archive.url=postgresql://db/a"), {**DATABASE, "url": "postgresql://db/a"}),
        (POSTGRESQL, {**DATABASE, "replicas": 2, "url": SECRET_KEY}),
    ],
    ids=["file on a claim", "file on a volume of one's own", "address", "address in a secret"],
)
def test_the_archive_is_a_file_with_one_writer_or_a_database_with_standbys(
    helm: Helm, values: Sequence[str], archive: Manifest
) -> None:
    assert archive_of(helm.template(values)) == archive


def test_the_claim_of_the_archive_is_kept_at_uninstallation(helm: Helm) -> None:
    claim = pick(helm.template(EVERYTHING), "PersistentVolumeClaim", "twins-archive")
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert claim["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "fast",
        "resources": {"requests": {"storage": "10Gi"}},
    }


def test_workers_do_not_know_the_archive(helm: Helm) -> None:
    workers = json.loads(environment(helm.template(POSTGRESQL))["TWINOPS_WORKER_ENV"])
    assert "TWINOPS_ARCHIVE_URL" not in {each["name"] for each in workers}


def test_the_policies_can_be_left_out(helm: Helm) -> None:
    def policies(values: Sequence[str]) -> list[str]:
        return [each["metadata"]["name"] for each in helm.template(values) if each["kind"].startswith("Validating")]

    names = ["twin-operator-pool-templates", "twin-operator-retraining-jobs", "twin-operator-twin-models"]
    assert sorted(policies(ADDRESSES)) == sorted([*names, *names])
    assert policies(BARE) == []


def test_the_approval_policies_hold_in_the_watched_namespaces(helm: Helm) -> None:
    binding = pick(helm.template(NAMESPACED), "ValidatingAdmissionPolicyBinding", "twin-operator-twin-models")
    selector = binding["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"]
    assert selector[0]["values"] == ["default", "kube-public"]


@pytest.mark.parametrize(("values", "namespaces"), [(ADDRESSES, ["default"]), (NAMESPACED, ["default", "kube-public"])])
def test_the_policy_for_templates_holds_in_the_namespaces_of_pools(
    helm: Helm, values: Sequence[str], namespaces: list[str]
) -> None:
    binding = pick(helm.template(values), "ValidatingAdmissionPolicyBinding", "twin-operator-pool-templates")
    selector = binding["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"]
    assert selector[0]["values"] == namespaces


def test_references_in_worker_variables_are_left_to_the_workers_pod(helm: Helm) -> None:
    values = (*ADDRESSES, "--set-json", 'workers.env=[{"name":"WHERE","value":"$(POD_IP)"}]')
    # The kubelet turns $$( into $( when it starts the operator.
    assert '"value":"$$(POD_IP)"' in environment(helm.template(values))["TWINOPS_WORKER_ENV"]


def test_the_settings_of_the_operator_know_every_variable_that_the_chart_sets(helm: Helm) -> None:
    ours = {name for name in environment(helm.template(ADDRESSES)) if name.startswith("TWINOPS_")}
    assert ours <= {f"TWINOPS_{name.upper()}" for name in Settings.model_fields}


def test_the_default_pools_serve_every_queue_once_and_mount_the_data(helm: Helm) -> None:
    values = (*ADDRESSES, "--set", "workers.data.volume.hostPath.path=/srv/experiments")
    pools = [each for each in helm.template(values) if each["kind"] == "WorkerPool"]
    assert {each["metadata"]["name"]: (each["spec"]["tier"], each["spec"]["queues"]) for each in pools} == {
        "twin-operator-light": ("Light", ["simulations"]),
        "twin-operator-medium": ("Medium", ["validation", "trials"]),
        "twin-operator-heavy": ("Heavy", ["training"]),
    }
    for pool in pools:
        assert "replicas" not in pool["spec"], "a GitOps tool would take back what kubectl scale did"
        pod = pool["spec"]["template"]["spec"]
        assert pod["containers"][0]["volumeMounts"] == [{"name": "data", "mountPath": "/data", "readOnly": True}]
        assert pod["volumes"] == [{"name": "data", "hostPath": {"path": "/srv/experiments"}}]


def test_a_pool_set_to_null_is_left_out_and_a_template_of_ones_own_is_merged(helm: Helm) -> None:
    values = (
        *(*ADDRESSES, "--set", "workerPools.pools.medium=null"),
        *("--set", "workerPools.pools.heavy.template.spec.nodeSelector.size=large"),
    )
    manifests = helm.template(values)
    assert not [each for each in manifests if each["metadata"]["name"] == "twin-operator-medium"]
    heavy = pick(manifests, "WorkerPool", "twin-operator-heavy")["spec"]["template"]["spec"]
    assert heavy["nodeSelector"] == {"size": "large"}
    assert heavy["containers"][0]["resources"]["limits"] == {"memory": "4Gi"}


def test_a_pool_without_autoscaling_has_as_many_workers_as_it_says(helm: Helm) -> None:
    values = (*ADDRESSES, "--set", "workerPools.pools.light.autoscaling=null,workerPools.pools.light.replicas=3")
    light = pick(helm.template(values), "WorkerPool", "twin-operator-light")["spec"]
    assert (light["replicas"], light.get("autoscaling")) == (3, None)

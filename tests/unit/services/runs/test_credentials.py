"""No text that leaves a process shows a credential, whoever wrote the text; what is no credential stays."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Mapping

import pytest

from twin_operator.services.runs.credentials import hiding, secrets_in, without_credentials

WORD = "sesame"
SECRET = "Op3n/ses@me 'now'"  # noqa: S105 - with everything that is encoded somewhere
ENCODED = "Op3n%2Fses%40me%20%27now%27"

BY_FORM = {
    "a user and password": (
        f"no answer from http://bob:{WORD}@mlflow:5000/api",
        "no answer from http://**@mlflow:5000/api",
    ),
    "a password alone": (f"redis://:{WORD}@redis:6379/0", "redis://**@redis:6379/0"),
    "a token in place of a user": (f"https://{WORD}@github.example/x", "https://**@github.example/x"),
    "an encoded password": (f"postgresql+psycopg://a:{WORD}%40%2F@db/archive", "postgresql+psycopg://**@db/archive"),
    "a password with @": (f"http://bob:p@{WORD}@mlflow/x", "http://**@mlflow/x"),
    "a password with a slash": (f"http://bob:p/{WORD}@mlflow/x", "http://**@mlflow/x"),
    "a password with ? and #": (f"http://bob:p?#{WORD}@mlflow/x", "http://**@mlflow/x"),
    "a password with a quote": (f"http://bob:p'{WORD}@mlflow/x", "http://**@mlflow/x"),
    "a password of digits": ("http://bob:12345@mlflow/x", "http://**@mlflow/x"),
    "capitals": (f"HTTP://BOB:{WORD}@MLFLOW/", "HTTP://**@MLFLOW/"),
    "an IPv6 host": (f"rediss://a:{WORD}@[::1]:6379/0", "rediss://**@[::1]:6379/0"),
    "two addresses": (f"redis://a:{WORD}@b redis://c:{WORD}@d", "redis://**@b redis://**@d"),
    "in JSON": (f'{{"url": "http://bob:{WORD}@m"}}', '{"url": "http://**@m"}'),
    "in the text of an object": (f"Redis(url='redis://a:{WORD}@b')", "Redis(url='redis://**@b')"),
    "an account key of a container": (f"abfs://c:{WORD}@acc.dfs.example/k", "abfs://**@acc.dfs.example/k"),
    "a signature of S3": (
        f"https://s3/x?X-Amz-Credential={WORD}&X-Amz-Date=1&X-Amz-Signature={WORD}",
        "https://s3/x?X-Amz-Credential=**&X-Amz-Date=1&X-Amz-Signature=**",
    ),
    "a session of S3": (f"https://s3/x?x-amz-security-token={WORD}", "https://s3/x?x-amz-security-token=**"),
    "a signature of GCS": (f"https://gcs/x?X-Goog-Signature={WORD}&y=1", "https://gcs/x?X-Goog-Signature=**&y=1"),
    "a signature of Azure": (f"https://az/x?sv=1&sig={WORD}%3D&se=2", "https://az/x?sv=1&sig=**&se=2"),
    "an encoded signature": (f"?next=https%3A%2F%2Faz%3Fsig%3D{WORD}", "?next=https%3A%2F%2Faz%3Fsig%3D**"),
    "an option of an address": (f"postgresql://db/x?password={WORD}&a=b", "postgresql://db/x?password=**&a=b"),
    "a connection string": (f"AccountName=a;AccountKey={WORD}==;B=c", "AccountName=a;AccountKey=**;B=c"),
    "options of libpq": (f"host=db password={WORD} user=a", "host=db password=** user=a"),
    "a header": (f"Authorization: Basic {WORD}", "Authorization: Basic **"),
    "a header in a dict": (f"{{'Authorization': 'Bearer {WORD}'}}", "{'Authorization': 'Bearer **'}"),
}
KEPT = (
    "The run of http://mlflow:5000/a@b and s3://bucket/key@2 is over.",
    "abfs://container@account.dfs.core.windows.net/key does not exist.",
    "jane@example.org asked redis://redis:6379/0",
    '{"a":"http://mlflow:5000","b":"jane@example.org"}',
    "file:///data/jane@home.csv",
    "design=2, token bucket, the password is wrong, basic authorization",
    "https://host/x?signed=1&page=2",
)


@pytest.mark.parametrize(("text", "shown"), BY_FORM.values(), ids=BY_FORM)
def test_credentials_of_every_form_are_hidden(text: str, shown: str) -> None:
    assert without_credentials(text) == shown
    assert WORD not in shown


@pytest.mark.parametrize("text", KEPT)
def test_what_is_no_credential_stays(text: str) -> None:
    assert without_credentials(text) == text


@pytest.mark.parametrize(
    "shown", [SECRET, ENCODED, repr(SECRET), json.dumps(SECRET), f"a{SECRET}b", f"http://x/{ENCODED}"]
)
@pytest.mark.parametrize("given", [SECRET, ENCODED])
def test_a_secret_is_hidden_however_it_is_given_and_encoded(given: str, shown: str) -> None:
    hidden = hiding([given])(f"It says {shown}.")
    assert "ses" not in hidden
    assert "**" in hidden


def test_a_secret_in_a_traceback_is_hidden() -> None:
    with pytest.raises(ConnectionError) as raised:
        raise ConnectionError(f"refused {SECRET} at http://bob:{WORD}@mlflow")
    hidden = hiding([SECRET])("".join(traceback.format_exception(raised.value)))
    assert "refused ** at http://**@mlflow" in hidden


def test_the_longer_of_two_secrets_is_hidden_whole() -> None:
    assert hiding(["open-sesame", "open-sesame-now"])("open-sesame-now") == "**"


def test_a_short_value_is_hidden_in_addresses_only() -> None:
    assert hiding(["worker"])("The worker of redis://worker:worker@redis") == "The worker of redis://**@redis"


def test_without_secrets_a_text_stays() -> None:
    assert hiding([])("Run u.") == "Run u."


FOUND: Mapping[str, tuple[dict[str, str], set[str]]] = {
    "the names of secrets": (
        {"MLFLOW_TRACKING_PASSWORD": "a", "MLFLOW_TRACKING_TOKEN": "b", "TWINOPS_SIGNING_KEY": "c", "aws_secret": "d"},
        {"a", "b", "c", "d"},
    ),
    "object stores": (
        {"AWS_SECRET_ACCESS_KEY": "a", "AWS_SESSION_TOKEN": "b", "AZURE_STORAGE_ACCOUNT_KEY": "c"},
        {"a", "b", "c"},
    ),
    "a connection string": ({"AZURE_STORAGE_CONNECTION_STRING": "a", "AZURE_STORAGE_SAS_TOKEN": "b"}, {"a", "b"}),
    "addresses": ({"TWINOPS_REDIS_URL": "redis://u:p%40@h", "HTTPS_PROXY": "http://u:q@h"}, {"p%40", "q"}),
    "an option of an address": ({"TWINOPS_ARCHIVE_URL": "postgresql://h/d?password=p&sslmode=x"}, {"p"}),
    "files and other names": (
        {"AWS_WEB_IDENTITY_TOKEN_FILE": "/f", "AWS_REGION": "r", "TOKEN_URL": "http://h", "LEASE_NAME": "twin"},
        set(),
    ),
    "no address": ({"X": "http://[::1"}, set()),
}


@pytest.mark.parametrize(("variables", "secrets"), FOUND.values(), ids=FOUND)
def test_the_secrets_of_an_environment_are_known_by_name_and_by_address(
    variables: dict[str, str], secrets: set[str]
) -> None:
    assert secrets_in(variables) == secrets


@pytest.mark.parametrize("word", ["://", "://a:", "://a:b", "sig=", "a" * 10, "authorization: "])
def test_a_text_made_to_take_long_does_not(word: str) -> None:
    begin = time.process_time()
    without_credentials(word * (100_000 // len(word)))
    assert time.process_time() - begin < 2

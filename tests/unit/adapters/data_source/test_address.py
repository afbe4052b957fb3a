"""Addresses that are taken as one file, and those that are refused since others might take them for another."""

import pytest

from twin_operator.adapters.data_source.address import (
    LocalAddress,
    ObjectAddress,
    RefusedAddressError,
    WebAddress,
    name_with_format,
    parse_address,
)


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:///data/x.csv", "/data/x.csv"),
        ("file:////data//x.csv", "/data/x.csv"),
        ("file:///data/../etc/passwd", "/etc/passwd"),
        ("file:///data/sub?/../../x", "/x"),
        ("file:///data/sub#/../../x", "/x"),
        ("file:///data/%2e%2e/x", "/data/%2e%2e/x"),
        ("file:///data/a::b[1]?#;.csv", "/data/a::b[1]?#;.csv"),
    ],
)
def test_each_character_of_a_path_stands_for_itself(uri: str, path: str) -> None:
    assert parse_address(uri) == LocalAddress(path)


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("s3://bucket/a/x.csv", "bucket/a/x.csv"),
        ("s3://bucket/a%2e%2e/[1]?#.csv", "bucket/a%2e%2e/[1]?#.csv"),
        ("s3://arn:aws:s3:eu:12:accesspoint/point/x.csv", "arn:aws:s3:eu:12:accesspoint/point/x.csv"),
        ("gs://bucket.example/x.csv", "bucket.example/x.csv"),
        ("abfs://box/x.csv", "box/x.csv"),
        ("abfss://box@account.dfs.core.windows.net/x.csv", "box/x.csv"),
    ],
)
def test_a_bucket_and_a_key_are_read_as_they_are_written(uri: str, path: str) -> None:
    assert parse_address(uri) == ObjectAddress(uri, path)


@pytest.mark.parametrize(
    ("uri", "normal"),
    [
        ("http://h/allowed/%2e%2e/secret/x.csv", "http://h/secret/x.csv"),
        ("http://h/allowed/.%2E/secret/x.csv", "http://h/secret/x.csv"),
        ("https://H.Example:443/a%20b/./x.csv#part", "https://h.example/a%20b/x.csv"),
        ("http://①27.0.0.1/x.csv", "http://127.0.0.1/x.csv"),
        ("http://127。0。0。1/x.csv", "http://127.0.0.1/x.csv"),
        ("http://[0:0:0:0:0:0:0:1]:80/x.csv", "http://[::1]/x.csv"),
        ("https://h/x.csv?next=../y&z=%2e%2e", "https://h/x.csv?next=../y&z=.."),
    ],
)
def test_a_web_address_is_taken_in_the_form_in_which_it_is_requested(uri: str, normal: str) -> None:
    address = parse_address(uri)
    assert isinstance(address, WebAddress)
    assert address.text == normal


@pytest.mark.parametrize(
    "uri",
    [
        "/etc/passwd",
        "file://data/x.csv",
        "file://localhost/data/x.csv",
        "file:///data/\0x.csv",
        "FILE:///data/x.csv",
        "local:///data/x.csv",
        "unknown://x.csv",
        "simplecache::file:///etc/passwd",
        "s3://b/x::file:///etc/passwd",
        "s3:///payments/x.csv",
        "s3://s3:/payments/x.csv",
        "s3://user@payments/x.csv",
        "s3://growth?/payments/x.csv",
        "s3://[/x.csv",
        "s3://growth/../payments/x.csv",
        "gs://growth/./x.csv",
        "gs://growth#/x.csv",
        "abfs://box@elsewhere.example/x.csv",
        "abfs://box@account.dfs.core.windows.net.example/x.csv",
        "abfs://account.dfs.core.windows.net/box/x.csv",
        "http://[/x.csv",
        "http://h:9x/x.csv",
        "http://h:99999/x.csv",
        "http:///x.csv",
        "http://h%2e/x.csv",
        "http://h\\@evil/x.csv",
        "http://user@h/x.csv",
        "http://user:secret@h/x.csv",
        "http://:@h/x.csv",
        "http://[fe80::1%25eth0]/x.csv",
        "http://h/a/%252e%252e/x.csv",
        "http://h/a/%25252e%25252e/x.csv",
        "http://h/a/..%2fx.csv",
        "http://h/a/..%252fx.csv",
        "http://h/a/..%5cx.csv",
        "http://h/a/..\\x.csv",
        "http://h/a/..;/x.csv",
        "http://h/a/%2e%2e;p=1/x.csv",
    ],
)
def test_what_could_be_taken_for_another_file_is_refused(uri: str) -> None:
    with pytest.raises(RefusedAddressError, match=r"^(its|write)"):
        parse_address(uri)


@pytest.mark.parametrize(
    ("uri", "suffix"),
    [
        ("file:///data/a#b?c.parquet", ".parquet"),
        ("file:///data/a?b.csv.bz2", ".bz2"),
        ("s3://bucket/a#b.parquet", ".parquet"),
        ("s3://bucket/a?b.pq", ".pq"),
        ("s3://bucket/a.parquet?versionId=3.1", ".parquet"),
        ("gs://bucket/a.parquet#1234", ".parquet"),
        ("abfs://box/a.pq?versionid=2026-01-01T00:00:00.1Z", ".pq"),
        ("https://h/x.parquet?signature=a.b", ".parquet"),
        ("https://h/x%2eparquet", ".parquet"),
        ("https://h/download?name=x.parquet", ".parquet"),
    ],
)
def test_the_suffix_is_that_of_the_file(uri: str, suffix: str) -> None:
    assert name_with_format(uri, parse_address(uri)).endswith(suffix)

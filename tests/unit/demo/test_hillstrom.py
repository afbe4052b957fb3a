"""The example's files agree with each other."""

import gzip
import hashlib

import yaml

from demo.campaigns import ORIGINAL

MANIFEST = ORIGINAL.parent / "twinmodel.yaml"


def test_the_twin_names_the_digest_of_the_shipped_bytes() -> None:
    spec = yaml.safe_load(MANIFEST.read_text())["spec"]
    assert spec["data"]["sha256"] == hashlib.sha256(ORIGINAL.read_bytes()).hexdigest()


def test_the_data_is_whole_and_has_every_column_that_the_twin_names() -> None:
    with gzip.open(ORIGINAL, "rt", newline="") as file:
        header, *rows = file.read().splitlines()
    columns = yaml.safe_load(MANIFEST.read_text())["spec"]["columns"]
    named = {feature["name"] for feature in columns["features"]} | {"segment", "visit"}
    assert len(rows) == 64_000
    assert named <= set(header.split(","))


def test_no_feature_was_known_only_after_the_e_mail() -> None:
    columns = yaml.safe_load(MANIFEST.read_text())["spec"]["columns"]
    assert {feature["name"] for feature in columns["features"]}.isdisjoint({"visit", "conversion", "spend", "segment"})

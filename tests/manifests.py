"""YAML of manifests as objects, by libyaml: PyYAML's own loader takes a quarter of a second for a rendered chart."""

from __future__ import annotations

from typing import Any

import yaml


def load_manifests(text: str) -> list[dict[str, Any]]:
    """Return the objects of a stream, without empty documents."""
    return [each for each in yaml.load_all(text, Loader=yaml.CSafeLoader) if each]


def load_manifest(text: str) -> dict[str, Any]:
    """Return the only object of a text."""
    (manifest,) = load_manifests(text)
    return manifest

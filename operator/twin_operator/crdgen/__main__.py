"""Command: write the CRDs and the validations of policies into the repository, or check that they match the models."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from twin_operator.api.v1alpha1 import GROUP
from twin_operator.crdgen import guarded_fields, template_policy
from twin_operator.crdgen.definition import generate
from twin_operator.crdgen.guarded_fields import generate_guards
from twin_operator.crdgen.template_policy import generate_template_rules

FOLDERS: Final = (Path("crds"), Path("charts/twin-operator/crds"))
"""For users who apply them by hand, and for Helm."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 when a check finds differing files."""
    parser = argparse.ArgumentParser(prog="python -m twin_operator.crdgen", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="change nothing; name the files that differ and exit with 1"
    )
    parser.add_argument(
        "--root", type=Path, default=Path(), help="root of the repository, by default the current folder"
    )
    options = parser.parse_args(arguments)
    if options.check:
        return _check(options.root)
    write(options.root, generate(), generate_policies())
    sys.stdout.write("".join(f"wrote {path}\n" for path in (*FOLDERS, *generate_policies())))
    return 0


def generate_policies() -> dict[Path, str]:
    """Return the text of each file of validations by its path from the repository's root."""
    return {guarded_fields.PATH: generate_guards(), template_policy.PATH: generate_template_rules()}


def _check(root: Path) -> int:
    paths = differing(root, generate(), generate_policies())
    sys.stderr.write("".join(f"{path} is not what the models say: run make generate\n" for path in paths))
    return 1 if paths else 0


def write(root: Path, texts: Mapping[str, str], policies: Mapping[Path, str]) -> None:
    """Write the files under the repository's root, and remove CRDs of kinds that are gone."""
    for stale in _stale(root, texts):
        (root / stale).unlink()
    for path, text in _expected(texts, policies).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")


def differing(root: Path, texts: Mapping[str, str], policies: Mapping[Path, str]) -> list[Path]:
    """List the files, relative to the root, that are missing, different or of kinds that are gone."""
    changed = [path for path, text in _expected(texts, policies).items() if _read(root / path) != text]
    return sorted([*changed, *_stale(root, texts)])


def _expected(texts: Mapping[str, str], policies: Mapping[Path, str]) -> dict[Path, str]:
    """Return the text of each file by its path from the repository's root."""
    return {folder / name: text for folder in FOLDERS for name, text in texts.items()} | dict(policies)


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _stale(root: Path, texts: Mapping[str, str]) -> list[Path]:
    found = [path for folder in FOLDERS for path in (root / folder).glob(f"{GROUP}_*.yaml")]
    return [path.relative_to(root) for path in found if path.name not in texts]


if __name__ == "__main__":
    sys.exit(main())

"""Write the chart's README from values.yaml: one table a section, one row a value; `--check` only compares.

A comment that begins with `# --` describes the value on the next line; other comments speak of what follows in general
and open a section when they stand at the left margin.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parent / "twin-operator"
README = CHART / "README.md"
MARK = "# -- "
LONGEST_DEFAULT = 60  # characters; a longer one is looked up in values.yaml

HEAD = """# {name}

<!-- Written by `make generate` from values.yaml and Chart.yaml: change those. -->

{description}

It needs Kubernetes {kube}, a Redis and an MLflow: your own, or those that the chart runs itself.

```sh
helm install twin-operator {path} --namespace twins --create-namespace \\
  --set redis.bundled.enabled=true --set mlflow.bundled.enabled=true
helm test twin-operator --namespace twins
```

`helm upgrade --reset-then-reuse-values` keeps the values that you set (`--reuse-values` would leave out what a new
version brings) and applies the new version's CRDs first (`crds.upgrade`).
[values.schema.json](values.schema.json) refuses misspelt values. A value that is `null` stands for its default, also
for a whole section; in maps of Kubernetes (`resources`, labels) and in `workerPools.pools` it takes the entry away.

A second release in another namespace needs `userRoles.create=false`, since the roles for users are there once, a name
of its own, and `watchNamespaces` that no other release watches: two operators would work on the same objects.

A Job creates the Secrets that the release needs where they are absent (`helm install` and `helm upgrade`, Argo CD and
Flux run it as a hook, and to `kubectl apply` it is a plain Job):
[docs/security.md](../../docs/security.md#generated-secrets).

## What stays after `helm uninstall`

- The CRDs and the resources: TwinModels, Simulations, RetrainingJobs, and WorkerPools of your own. Deleting a CRD would
  delete its resources.
- The archive's claim and the claims of the bundled services: predictions, outcomes, models and queues.
- The Secrets that the chart's Job created: the signing key with its copies in `workerPools.namespaces`, the passwords
  of the bundled Redis and PostgreSQL, the bundled Redis' certificate. Messages in Redis are signed with this key, and
  databases on the volumes have these passwords.

Installed again under the same release name in the same namespace, the release adopts these Secrets and this claim, and
uses the same keys and passwords. A release of another name generates its own; where `fullnameOverride` gives its
objects the same names, it uses these Secrets, and Helm refuses to take over the claim (`invalid ownership metadata`). A
Secret also stays when it is
no longer used: when `existingSecret` is set later, or a namespace is taken out of `workerPools.namespaces`.

To delete everything, also resources and data:

```sh
kubectl delete secrets,persistentvolumeclaims --namespace twins --selector app.kubernetes.io/instance=twin-operator
kubectl delete secrets --namespace twins --selector twinops.dev/release=twin-operator
kubectl delete secrets --namespace POOLS --selector twinops.dev/release=twin-operator # each pool namespace
kubectl delete crd {{twinmodels,simulations,retrainingjobs,workerpools}}.twinops.dev
```

## Values
"""


TABLE = "| value | default | meaning |\n|---|---|---|"


@dataclass(frozen=True)
class Row:
    """One value: its path, what its comment says, and its default."""

    path: str
    text: str
    default: str


def rows(source: str) -> Iterator[Row]:
    """Yield every value that has a description, and every leaf that has none, in the order of the file."""
    values = yaml.safe_load(source)
    path: list[tuple[int, str]] = []
    comment: list[str] = []
    for line in source.splitlines():
        text = line.strip()
        if text.startswith("#"):
            comment.append(text)
            continue
        key, colon, rest = text.partition(":")
        if colon and not text.startswith("- "):
            indent = len(line) - len(line.lstrip())
            path = [*(each for each in path if each[0] < indent), (indent, key)]
            names = [name for _, name in path]
            described = any(each.startswith(MARK) for each in comment)
            if (rest or described) and _holds(values, names):  # else its own values have rows
                yield _row(names, _at(values, names), comment)
        comment = []


def _row(names: list[str], value: Any, comment: list[str]) -> Row:  # noqa: ANN401 - YAML
    described = next((i for i, text in enumerate(comment) if text.startswith(MARK)), len(comment))
    return Row(".".join(names), " ".join(_plain(each) for each in comment[described:]), _default(value))


def _plain(comment: str) -> str:
    return comment.removeprefix(MARK).removeprefix("#").strip()


def _default(value: Any) -> str:  # noqa: ANN401 - YAML
    text = json.dumps(value)
    return f"`{text}`" if len(text) <= LONGEST_DEFAULT else "see values.yaml"


def _holds(values: Any, names: list[str]) -> bool:  # noqa: ANN401 - YAML
    """Whether a path leads through mappings only: what stands in a list is part of that value."""
    for name in names:
        if not isinstance(values, dict):
            return False
        values = values[name]
    return True


def _at(values: Any, names: list[str]) -> Any:  # noqa: ANN401 - YAML
    for name in names:
        values = values[name]
    return values


def render() -> str:
    """Return the README."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    head = HEAD.format(
        name=chart["name"],
        description=chart["description"],
        kube=chart["kubeVersion"].removesuffix("-0"),
        path=f"charts/{chart['name']}",
    )
    sections: dict[str, list[str]] = {"General": []}
    for row in rows((CHART / "values.yaml").read_text()):
        name = row.path.partition(".")[0] if "." in row.path else "General"
        cells = (f"`{row.path}`", _cell(row.default), _cell(row.text))
        sections.setdefault(name, []).append(f"| {' | '.join(cells)} |")
    return head + "".join(f"\n### {name}\n\n{TABLE}\n" + "\n".join(each) + "\n" for name, each in sections.items())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    """Write the README, or with `--check` say whether it is up to date."""
    new = render()
    if "--check" not in sys.argv:
        README.write_text(new)
    elif not README.exists() or README.read_text() != new:
        print("charts/twin-operator/README.md is not that of values.yaml: run `make generate`.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

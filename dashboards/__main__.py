"""Write the dashboards into the chart, or check (`--check`) that those are what the descriptions say."""

import json
import sys
from pathlib import Path

from dashboards.panels import Dashboard
from dashboards.platform import PLATFORM
from dashboards.twins import TWINS

FOLDER = Path(__file__).parents[1] / "charts" / "twin-operator" / "dashboards"
DASHBOARDS = {"twins": TWINS, "operator-and-pools": PLATFORM}


def text(dashboard: Dashboard) -> str:
    """Return a dashboard's file."""
    return json.dumps(dashboard.to_json(), indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    """Write or check; return the exit code."""
    wanted = {FOLDER / f"{name}.json": text(dashboard) for name, dashboard in DASHBOARDS.items()}
    if "--check" not in sys.argv:
        for path, content in wanted.items():
            path.write_text(content)
        return 0
    stale = [path.name for path, content in wanted.items() if not path.exists() or path.read_text() != content]
    if stale:
        print(f"Not what dashboards/ says: {', '.join(stale)}. Run make generate.", file=sys.stderr)  # noqa: T201
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())

"""Events of Kubernetes, as `kubectl describe` and `kubectl events` show them."""

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from twin_operator.services.reconciling.ports import Event

JSON = dict[str, Any]
CONTROLLER: Final = "twinops.dev/twin-operator"
NOTE_LIMIT: Final = 1024  # bytes of an Event's note, as the API has it
NAME_LIMIT: Final = 230  # characters of the object's name in the Event's own, which has 253


def event_manifest(event: Event) -> JSON:
    """Return the manifest; its name is the same for the same occasion."""
    meta = event.body["metadata"]
    content = "\n".join((meta["uid"], event.reason, event.occasion))
    identity = sha256(content.encode()).hexdigest()[:16]
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{meta['name'][:NAME_LIMIT].rstrip('.-')}.{identity}", "namespace": meta["namespace"]},
        "eventTime": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "reportingController": CONTROLLER,
        "reportingInstance": "twin-operator",
        "action": event.reason,
        "reason": event.reason,
        "type": "Warning" if event.warning else "Normal",
        "note": event.message.encode()[:NOTE_LIMIT].decode(errors="ignore"),
        "regarding": {
            "apiVersion": event.body["apiVersion"],
            "kind": event.body["kind"],
            "namespace": meta["namespace"],
            "name": meta["name"],
            "uid": meta["uid"],
        },
    }

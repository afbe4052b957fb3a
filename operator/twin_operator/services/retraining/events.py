"""What is worth an Event of Kubernetes when a RetrainingJob goes on: few, and each with what to do."""

from twin_operator.services.reconciling.ports import Event
from twin_operator.services.runs.run import JSON

TOLD = {
    "AwaitingApproval": ("AwaitingApproval", False),
    "Training": ("RetrainingStarted", False),
    "Rejected": ("Rejected", False),
    "Cancelled": ("Cancelled", False),
    "Failed": ("RetrainingFailed", True),
}


def event_of(body: JSON, status: JSON) -> Event | None:
    """Return the Event of a change of phase, if it is one."""
    phase = status.get("phase")
    if phase == (body.get("status") or {}).get("phase"):
        return None
    message = next((c["message"] for c in status["conditions"] if c["type"] in {"Promoted", "Ready"}), "")
    if phase == "Completed":
        passed = ((status.get("gate") or {}).get("passed")) is True
        promoted = next((c["message"] for c in status["conditions"] if c["type"] == "Promoted"), message)
        return Event(body, "Promoted" if passed else "NotBetter", promoted, occasion="end")
    if phase not in TOLD:
        return None
    reason, warning = TOLD[phase]
    ready = next((c["message"] for c in status["conditions"] if c["type"] == "Ready"), message)
    return Event(body, reason, ready, warning=warning, occasion=str(phase))

"""The keys of the installation, where it has any."""

from typing import Final

from twin_operator.adapters.redis_queue.signature import Signing
from twin_operator.services.reconciling.errors import Unsafe
from twin_operator.settings import Settings

NOT_SIGNED: Final = (
    "Messages are neither signed nor checked, since TWINOPS_SIGNING_KEY is empty: whoever can write to Redis can give "
    "orders to workers."
)


def build_signing(settings: Settings) -> Signing | None:
    """Return what signs and verifies messages; None where there is no key.

    Raises:
        Unsafe: there is a previous key and no current one.
    """
    key, previous = settings.signing_key.get_secret_value(), settings.signing_key_previous.get_secret_value()
    if previous and not key:
        raise Unsafe("Set TWINOPS_SIGNING_KEY besides TWINOPS_SIGNING_KEY_PREVIOUS: messages would not be signed.")
    return Signing(key.encode(), previous.encode()) if key else None

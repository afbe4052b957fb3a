"""The signature of a task's message: who holds the key wrote it, for this run, this attempt and this queue.

HMAC-SHA-256 (RFC 2104) over the fields, each behind its length, so that no two messages have the same text. What is
signed is the body's bytes as they travel: it is checked before anybody reads them.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Final

HEADER: Final = "twinops-signature"
SCHEME: Final = "v1"
_ID_DIGITS: Final = 8  # hexadecimal digits of a digest of the key: tells keys apart, and nothing about them
_LENGTH_BYTES: Final = 8  # of the number in front of a field
_FORM: Final = re.compile(rf"{SCHEME}:([0-9a-f]{{{_ID_DIGITS}}}):([0-9]{{1,12}}):([0-9a-f]{{64}})", re.ASCII)


@dataclass(frozen=True)
class SignedFields:
    """What a signature covers.

    Attributes:
        id: the message's, which is the run's.
        task: name of the Celery task.
        attempt: Celery's count of retries, as the message has it.
        queue: where the message is put, and where it has to be taken from.
        body: bytes as they travel, not decoded.
    """

    id: str
    task: str
    attempt: int
    queue: str
    body: bytes


class Forged(Exception):  # noqa: N818 - a fact about a message
    """The signature is not one of this message by a known key; the text says how it fails, for the log."""


@dataclass(frozen=True)
class Signing:
    """The installation's keys.

    Args:
        key: signs, and is accepted.
        previous: is accepted as well, while messages signed with it may be on their way; empty without one.
    """

    key: bytes
    previous: bytes = b""

    def sign(self, fields: SignedFields, moment: int) -> str:
        """Return the header's value; `moment` of signing in seconds since the epoch."""
        return f"{SCHEME}:{_key_id(self.key)}:{moment}:{_code(self.key, fields, moment).hex()}"

    def verify(self, signature: str, fields: SignedFields) -> int:
        """Return when the message was signed, in seconds since the epoch.

        Raises:
            Forged: nobody who holds a key signed these fields.
        """
        written = _FORM.fullmatch(signature)
        if written is None:
            raise Forged("its signature is not written as this version writes them")
        key_id, moment, code = written.groups()
        known = {_key_id(key): key for key in (self.previous, self.key) if key}
        if key_id not in known:
            raise Forged(f"it is signed with the key {key_id}, which is not known here")
        if not hmac.compare_digest(_code(known[key_id], fields, int(moment)), bytes.fromhex(code)):
            raise Forged("its signature does not fit what it says")
        return int(moment)


def _key_id(key: bytes) -> str:
    return hashlib.sha256(b"twinops key id\0" + key).hexdigest()[:_ID_DIGITS]


def _code(key: bytes, fields: SignedFields, moment: int) -> bytes:
    values = (fields.id, fields.task, str(fields.attempt), fields.queue, str(moment))
    encoded = [SCHEME.encode(), *(value.encode() for value in values), fields.body]
    text = b"".join(len(each).to_bytes(_LENGTH_BYTES, "big") + each for each in encoded)
    return hmac.digest(key, text, "sha256")

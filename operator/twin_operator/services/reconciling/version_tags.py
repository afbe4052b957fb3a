"""The tags of registered models and versions in MLflow, and the summary of a version in them.

Workers write a summary with the version, the operator reads it: it needs no artifact store, only the registry.
"""

import json
import zlib
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping
from typing import Final

from pydantic import ValidationError

from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.services.reconciling.errors import Stalled
from twin_operator.services.runs.run import JSON
from twin_operator.services.runs.training_messages import TrainedVersion

CHAMPION: Final = "champion"  # the registry alias of the active version
OWNER: Final = "twinops.owner"  # of a registered model: cluster/namespace/name/uid of the TwinModel
ADOPT: Final = "twinops.adopt"  # of a registered model: NAMESPACE/NAME of the TwinModel that is to own it
RUN: Final = "twinops.run"  # of a version: the run of a task that made it, at most one version a run
FINGERPRINT: Final = "twinops.fingerprint"  # digests of the spec and of the data that it was trained from
SAMPLES: Final = "twinops.samples"
BANK_DIGEST: Final = "twinops.bankDigest"  # SHA-256 of the bank's file
REPLACED_BY: Final = "twinops.replacedBy"  # of a version that is no longer active
ROLLED_BACK: Final = "twinops.rolledBack"  # of a version that was rolled back: why
ROLLED_BACK_BY: Final = "twinops.rolledBackBy"
ROLLED_BACK_TIME: Final = "twinops.rolledBackTime"  # RFC 3339
SUMMARY: Final = "twinops.summary"  # how many parts the summary has, in twinops.summary.0 and so on

SUMMARY_FILE: Final = "summary.json"  # the summary next to the bank, all that release 0.1.0 wrote
PART: Final = 5000
"""Characters of a tag's value. MLflow 3 accepts 100,000, but MySQL's TEXT column ends at 65,535 bytes, and a database
that was made by an older MLflow has a column of 5,000 characters."""
MOST_PARTS: Final = 1000
"""5 MB, which come with each read of the version: more than 32 arms that 100 experiments compared have (2.2 MB)."""

MOST_BYTES: Final = 32 * 2**20
"""Of a summary as JSON: some ten times what 1,000 parts usually hold."""


def summary_tags(summary: JSON) -> dict[str, str]:
    """Return a summary as tags: JSON, compressed, in base64, cut into parts; the tag that counts them is the last.

    Raises:
        Stalled: it has too many arms and experiments.
    """
    content = json.dumps(summary, separators=(",", ":")).encode()
    text = b64encode(zlib.compress(content, level=9)).decode()
    parts = [text[start : start + PART] for start in range(0, len(text), PART)]
    if len(parts) > MOST_PARTS or len(content) > MOST_BYTES:
        raise Stalled(
            Reason.DATA_INVALID,
            f"The effects of {len(summary['arms'])} arms in {len(summary['experiments'])} experiments are too many "
            "for the tags of a model version; train on fewer arms or fewer experiments.",
        )
    return {**{_part(number): part for number, part in enumerate(parts)}, SUMMARY: str(len(parts))}


def summary_in(tags: Mapping[str, str]) -> JSON | None:
    """Return the summary in the tags of a version; None where there is none, as in versions of release 0.1.0.

    Raises:
        LookupError: a part of it is missing, or was changed.
    """
    count = tags.get(SUMMARY)
    if count is None:
        return None
    try:
        text = "".join(tags[_part(number)] for number in range(int(count)))
        content: JSON = json.loads(_decompressed(b64decode(text, validate=True)))
    except (KeyError, ValueError, NotBase64, zlib.error, RecursionError) as error:
        raise LookupError(f"the {SUMMARY} tags of the version are not as training wrote them") from error
    return content


def _decompressed(content: bytes) -> bytes:
    """Return at most `MOST_BYTES`: whoever may write tags in MLflow must not fill the operator's memory."""
    decompressor = zlib.decompressobj()
    found = decompressor.decompress(content, MOST_BYTES)
    if not decompressor.eof:
        raise ValueError("incomplete, or larger than a summary can be")
    return found


def _part(number: int) -> str:
    return f"{SUMMARY}.{number}"


def read_summary(summary: JSON, version: str) -> TrainedVersion:
    """Return a version from its summary; raise `LookupError` where this release cannot read that."""
    try:
        return TrainedVersion.model_validate({**summary, "version": version})
    except ValidationError as error:
        field = ".".join(map(str, error.errors()[0]["loc"]))
        raise LookupError(f"this release cannot read {field} in the summary of the version") from error

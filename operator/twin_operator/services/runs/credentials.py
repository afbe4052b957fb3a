"""Texts that leave a process, without credentials: messages of statuses and Events, errors of spans, log lines.

Errors of libraries repeat addresses, and an address may hold a password or a signature. Two things are hidden:
credentials that are known by their form, wherever they come from, and the secrets of this process by their value.
Hiding too much is harmless, so a text that can be read in two ways is hidden.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

HIDDEN: Final = "**"
SHORTEST_SECRET: Final = 8  # characters; shorter values are also words and numbers. In addresses any length is hidden.

# Up to the last @ of the word: a password may hold any character, also where a client would not accept it. Digits that
# can be a port are not taken for a password. The bound keeps the search linear in text that an attacker wrote.
_USER: Final = re.compile(
    r"""://(?:[^\s/?#@:"'<>]*:(?!\d{1,5}(?:[/?#"',;)\]}\s]|$))[^\s"<>]{0,2048}|[^\s/?#"'<>\\]{0,2048})@"""
)
_CONTAINER: Final = ("abfs", "abfss")  # the part before @ is a container
_PARAMETER: Final = re.compile(
    r"""(?:(?<![a-z0-9])|(?<=%3f)|(?<=%26))
    (x-(?:amz|goog)-(?:signature|credential|security-token)|sig|signature|awsaccesskeyid
    |(?:ssl)?password|passwd|pwd|(?:access_|auth_|session_)?token|(?:client_)?secret|api_?key
    |accountkey|shared_?access_?(?:key|signature))
    (=|%3d)[^\s&"'<>;,)\]}]+""",
    re.IGNORECASE | re.VERBOSE,
)
_HEADER: Final = re.compile(r"""(authorization['"]?\s*[:=,]\s*b?['"]?\w+\s+)[^\s"',;]+""", re.IGNORECASE)

_SECRET_NAME: Final = re.compile(
    "PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIAL|CONNECTION_STRING|_SAS|(ACCESS|ACCOUNT|API|STORAGE|PRIVATE|SIGNING)_?KEY"
)
_NO_SECRET_NAME: Final = re.compile("_(FILE|PATH|DIR|URI|URL|NAME|ARN|SECONDS)$")


def without_credentials(text: str) -> str:
    """Return a text without what is known by its form: users and passwords of addresses, signatures, headers."""
    if "://" in text:
        text = _USER.sub(_without_user, text)
    if "=" in text or "%3" in text:
        text = _PARAMETER.sub(rf"\1\2{HIDDEN}", text)
    return _HEADER.sub(rf"\1{HIDDEN}", text)


def _without_user(found: re.Match[str]) -> str:
    names_container = ":" not in found[0][3:] and found.string[: found.start()].lower().endswith(_CONTAINER)
    return found[0] if names_container else f"://{HIDDEN}@"


def hiding(secrets: Iterable[str]) -> Callable[[str], str]:
    """Return a function like `without_credentials` that also hides these secrets, however they are encoded."""
    forms = {form for secret in secrets for form in _forms(secret) if len(form) >= SHORTEST_SECRET}
    known = re.compile("|".join(map(re.escape, sorted(forms, key=len, reverse=True))) or "(?!)")

    def hide(text: str) -> str:
        return without_credentials(known.sub(HIDDEN, text))

    return hide


def _forms(secret: str) -> set[str]:
    plain = unquote(secret)
    return {secret, plain, quote(plain), quote(plain, safe=""), json.dumps(plain)[1:-1], repr(plain)[1:-1]}


def secrets_in(variables: Mapping[str, str]) -> set[str]:
    """Return the secrets of environment variables: those of a name that says so, and the passwords of addresses."""
    named = {value for name, value in variables.items() if _is_secret(name)}
    return named.union(*(_passwords(value) for value in variables.values() if "://" in value))


def _is_secret(name: str) -> bool:
    return bool(_SECRET_NAME.search(name.upper())) and not _NO_SECRET_NAME.search(name.upper())


def _passwords(address: str) -> set[str]:
    try:
        parts = urlsplit(address)
    except ValueError:
        return set()
    options = {value for name, value in parse_qsl(parts.query) if _is_secret(name)}
    return options | ({parts.password} if parts.password else set())

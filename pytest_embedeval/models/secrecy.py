"""What must never be seen: keys, and the user in a URL. Taken out of every message that others wrote."""

from __future__ import annotations

import base64
import os
import re
from urllib.parse import urlsplit, urlunsplit

_HIDDEN = "***"
_SHORTEST = 6  # a shorter value of a variable would be found in innocent words
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL|AUTH", re.IGNORECASE)
# What keys look like wherever they come from: those of OpenAI and its kin, also half hidden, and headers.
_SECRET_FORM = re.compile(r"\b(?:sk|pk|rk)-[\w*.-]{4,}|\b(Bearer|Basic)\s+[\w.~+/=*-]+", re.IGNORECASE)
_USER_OF_URL = re.compile(r"(?<=://)[^/\s@]+@")


class Secret:
    """A text that is shown to nobody by accident."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __repr__(self) -> str:
        return _HIDDEN

    def reveal(self) -> str:
        """Return the text."""
        return self._value


def without_user(url: str) -> tuple[str, Secret | None]:
    """Return a URL without user, password, query and fragment, and the header that says the same to the server."""
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    header = Secret(f"Basic {base64.b64encode(user.encode()).decode()}") if user else None
    return urlunsplit((parts.scheme, host, parts.path, "", "")), header


def scrubbed(text: str, *secrets: Secret | None) -> str:
    """Return a text without these secrets, without what the environment calls one, and without what looks like one."""
    known = {secret.reveal() for secret in secrets if secret is not None}
    known |= {value for name, value in os.environ.items() if _SECRET_NAME.search(name) and len(value) >= _SHORTEST}
    for value in sorted(filter(None, known), key=len, reverse=True):
        text = text.replace(value, _HIDDEN)
    return _USER_OF_URL.sub("", _SECRET_FORM.sub(_HIDDEN, text))

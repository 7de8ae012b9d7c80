"""Where the stores are and where to listen: from the environment, addresses with passwords from files."""

from __future__ import annotations

import os
from pathlib import Path


class InvalidSettings(Exception):
    """What is missing, by its variable."""


def listen() -> str:
    return os.environ.get("LISTEN", "127.0.0.1")


def url(store: str) -> str:
    """The address in the file that `STORE_URL_FILE` names. Raises InvalidSettings."""
    variable = f"{store.upper()}_URL_FILE"
    file = os.environ.get(variable)
    if not file:
        raise InvalidSettings(f"{variable} is not set: the file with the address of {store}")
    try:
        return Path(file).read_text().strip()
    except OSError as error:
        raise InvalidSettings(f"{variable}: {file}: {error.strerror}") from None

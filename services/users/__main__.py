"""`python -m services.users` serves; `migrate` migrates; `rotate-keys [--now]` changes the signing key."""

from __future__ import annotations

import sys

from services.kit import run
from services.users import rotate_keys
from services.users.app import create
from services.users.settings import UsersSettings

if __name__ == "__main__":
    if sys.argv[1:2] == ["rotate-keys"]:
        rotate_keys.main(sys.argv[2:])
    run.main("services.users", UsersSettings, create)

"""`python -m services.users` serves; `migrate [--phase pre|post|all]` migrates.

`rotate-keys [--now]` changes the signing key.
"""

from __future__ import annotations

from services.kit import command

if __name__ == "__main__":
    command.main("services.users", {"rotate-keys": "services.users.rotate_keys"})

"""`python -m services.web` serves; `migrate [--phase pre|post|all]` migrates."""

from __future__ import annotations

from services.kit import command

if __name__ == "__main__":
    command.main("services.web")

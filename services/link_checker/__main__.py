"""`python -m services.link_checker` serves and checks; `migrate [--phase pre|post|all]` migrates."""

from __future__ import annotations

from services.kit import command

if __name__ == "__main__":
    command.main("services.link_checker")

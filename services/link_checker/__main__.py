"""`python -m services.link_checker` serves and checks; `migrate` migrates."""

from __future__ import annotations

from services.kit import run
from services.link_checker.app import create
from services.link_checker.settings import CheckerSettings

if __name__ == "__main__":
    run.main("services.link_checker", CheckerSettings, create)

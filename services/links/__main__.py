"""`python -m services.links` serves; `python -m services.links migrate [--phase pre|post|all]` migrates."""

from __future__ import annotations

from services.kit import run
from services.links.app import create
from services.links.settings import LinksSettings

if __name__ == "__main__":
    run.main("services.links", LinksSettings, create)

"""`python -m services.web` serves; `python -m services.web migrate [--phase pre|post|all]` migrates."""

from __future__ import annotations

from services.kit import run
from services.web.app import create
from services.web.settings import WebSettings

if __name__ == "__main__":
    run.main("services.web", WebSettings, create)

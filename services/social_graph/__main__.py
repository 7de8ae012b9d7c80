"""`python -m services.social_graph` serves; `... migrate [--phase pre|post|all]` migrates."""

from __future__ import annotations

from services.kit import run
from services.social_graph.app import create
from services.social_graph.settings import SocialGraphSettings

if __name__ == "__main__":
    run.main("services.social_graph", SocialGraphSettings, create)

"""`python -m services.links` serves; `migrate [--phase pre|post|all]` migrates.

`backfill` tells the link checker of all links.
"""

from __future__ import annotations

import sys

from services.kit import run
from services.links import backfill
from services.links.app import create
from services.links.settings import LinksSettings

if __name__ == "__main__":
    if sys.argv[1:2] == ["backfill"]:
        backfill.main(sys.argv[2:])
    run.main("services.links", LinksSettings, create)

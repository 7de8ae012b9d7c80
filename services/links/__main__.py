"""`python -m services.links` serves; `migrate [--phase pre|post|all]` migrates.

`backfill` tells the link checker of all links.
"""

from __future__ import annotations

from services.kit import command

if __name__ == "__main__":
    command.main("services.links", {"backfill": "services.links.backfill"})

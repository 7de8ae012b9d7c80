"""The Chromium of this machine, as tests start it."""

from __future__ import annotations

import shutil

ARGUMENTS = (
    "--headless --no-sandbox --disable-gpu --disable-background-networking --disable-component-update "  # noqa: SIM905
    "--disable-sync --no-first-run".split()
)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
MISSING = "no chromium on PATH (Debian: apt-get install chromium)"
# Chromium on a busy machine of two cores.
PATIENCE_MS = 30_000

"""`python -m services.news` serves; `rebuild` builds all timelines anew."""

from __future__ import annotations

import sys

from services.kit import run
from services.news import rebuild
from services.news.app import create
from services.news.settings import NewsSettings

if __name__ == "__main__":
    if sys.argv[1:2] == ["rebuild"]:
        rebuild.main(sys.argv[2:])
    run.main("services.news", NewsSettings, create)

"""`python -m services.news` serves; `rebuild` builds all timelines anew."""

from __future__ import annotations

from services.kit import command

if __name__ == "__main__":
    command.main("services.news", {"rebuild": "services.news.rebuild"})

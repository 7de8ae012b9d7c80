"""The interface of linkding on our links: `/api/bookmarks/`, `/api/tags/`, `/api/bundles/` and the rest.

`routes` is the table; `lists`, `bookmarks`, `tags`, `bundles` and `account` answer a `call`. `fields` checks
what programs send, `queries` and `language` put their questions into ours, `answers` and `bundle` say how
things are shown; those do no I/O.
"""

from __future__ import annotations

from starlette.routing import BaseRoute

from services.web.linkding.routes import routes

ROUTES: list[BaseRoute] = routes()

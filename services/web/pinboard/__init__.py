"""The interface of Pinboard (and Delicious), version 1, on our links: `/v1/posts/add?url=...`.

`methods` is the table and what each call passes through; `posts`, `tags` and `account` do the work with a
`call`; `parameters` reads what programs send, `post` and `answers` (no I/O) say how things are shown to them.
"""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from services.kit.errors import Problem, Unauthenticated, render
from services.web.pinboard.methods import answer
from services.web.programs.front import Front

CHALLENGE = 'Basic realm="Delinkcious", charset="UTF-8"'


def _rendered(problem: Problem) -> Response:
    if isinstance(problem, Unauthenticated):
        problem.headers["www-authenticate"] = CHALLENGE
    return render(problem)


ROUTES: list[BaseRoute] = [Route("/v1/{method:path}", Front(answer, _rendered))]

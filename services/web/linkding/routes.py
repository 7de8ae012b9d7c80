"""The table of this interface: paths, methods, who may call; and its way to say what went wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from services.kit.errors import Forbidden, MethodNotAllowed, NotFound, Problem, Unauthenticated
from services.web.linkding import account, bookmarks, bundles, lists, tags
from services.web.linkding.call import Call, answer, call_of
from services.web.linkding.fields import InvalidFields
from services.web.programs.front import Front
from telemetry.traces import current_trace_id

Handler = Callable[[Call], Awaitable[Response]]


class Public(NamedTuple):
    """A handler that needs no token; one that is sent is checked all the same."""

    handler: Handler


# What stands first is matched first.
TABLE: dict[str, dict[str, Handler | Public]] = {
    "/api": {"GET": account.root},
    "/api/user/profile": {"GET": account.profile},
    "/api/bookmarks": {"GET": lists.list_bookmarks, "POST": bookmarks.create},
    "/api/bookmarks/archived": {"GET": lists.list_archived},
    "/api/bookmarks/shared": {"GET": Public(lists.list_shared)},
    "/api/bookmarks/check": {"GET": bookmarks.check},
    "/api/bookmarks/singlefile": {"POST": bookmarks.refuse_upload},
    "/api/bookmarks/{number}": {
        "GET": bookmarks.get_bookmark,
        "PUT": bookmarks.replace,
        "PATCH": bookmarks.change,
        "DELETE": bookmarks.delete,
    },
    "/api/bookmarks/{number}/archive": {"POST": bookmarks.archive},
    "/api/bookmarks/{number}/unarchive": {"POST": bookmarks.unarchive},
    "/api/bookmarks/{number}/assets": {"GET": bookmarks.list_assets},
    "/api/bookmarks/{number}/assets/upload": {"POST": bookmarks.refuse_upload},
    "/api/bookmarks/{number}/assets/{asset}": {"GET": bookmarks.no_asset, "DELETE": bookmarks.no_asset},
    "/api/tags": {"GET": tags.list_tags, "POST": tags.create},
    "/api/tags/{number}": {"GET": tags.get_tag, "DELETE": tags.delete},
    "/api/bundles": {"GET": bundles.list_bundles, "POST": bundles.create},
    "/api/bundles/{number}": {
        "GET": bundles.get_bundle,
        "PUT": bundles.replace,
        "PATCH": bundles.change,
        "DELETE": bundles.delete,
    },
}


def routes() -> list[BaseRoute]:
    """Each path with its slash; without it a GET is redirected. Before `api` there may be two slashes."""
    made: list[BaseRoute] = [Route("/health", Front(_only_get(account.health), rendered))]
    for path, methods in TABLE.items():
        for prefix in ("", "/"):
            made.append(Route(f"{prefix}{path}/", Front(_dispatch(methods), rendered)))
            made.append(Route(f"{prefix}{path}", Front(_with_slash, rendered)))
    return made


def rendered(problem: Problem) -> Response:
    """A problem as programs expect it; what is only ours to know stays here."""
    if isinstance(problem, InvalidFields):
        return answer({name: [message] for name, message in problem.fields.items()}, 400)
    detail = problem.detail or problem.title
    headers = dict(problem.headers)
    if isinstance(problem, Unauthenticated):
        headers["www-authenticate"] = "Token"
        given = "credentials are needed" not in problem.detail
        detail = "Invalid token." if given else "Authentication credentials were not provided."
    elif isinstance(problem, Forbidden):
        detail = "You do not have permission to perform this action."
    elif isinstance(problem, NotFound):
        detail = "Not found."
    # What a peer refused of what was sent is the sender's matter.
    status = 400 if problem.status == 422 else problem.status
    body = {"detail": detail}
    if status >= 500:
        body["trace_id"] = current_trace_id()
    response = answer(body, status)
    response.headers.update(headers)
    return response


def _dispatch(methods: Mapping[str, Handler | Public]) -> Callable[[Request], Awaitable[Response]]:
    allowed = ", ".join([*methods, *(["HEAD"] if "GET" in methods else []), "OPTIONS"])

    async def handle(request: Request) -> Response:
        name = "GET" if request.method == "HEAD" else request.method
        handler = methods.get(name)
        if handler is None:
            raise MethodNotAllowed(f'Method "{request.method}" not allowed.', headers={"allow": allowed})
        scope = "read" if name == "GET" else "write"
        if isinstance(handler, Public):
            return await handler.handler(await call_of(request, scope=scope, anybody=True))
        return await handler(await call_of(request, scope=scope))

    return handle


def _only_get(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed(f'Method "{request.method}" not allowed.', headers={"allow": "GET, HEAD"})
        return await handler(request)

    return handle


async def _with_slash(request: Request) -> Response:
    """The address as it is written, from the root of this host: never to another one."""
    if request.method not in ("GET", "HEAD"):
        raise NotFound
    path = "/" + request.scope["raw_path"].decode("latin-1").lstrip("/") + "/"
    query = request.scope["query_string"].decode("latin-1")
    response = RedirectResponse("/", 301)
    response.headers["location"] = path + (f"?{query}" if query else "")
    return response

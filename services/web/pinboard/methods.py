"""The table of methods, and what every call passes through: who, how often, may it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from services.kit.errors import Forbidden, MethodNotAllowed, NotFound, Unauthenticated
from services.web.deps import deps_of
from services.web.pinboard import account, posts, tags
from services.web.pinboard.call import Call
from services.web.pinboard.parameters import Parameters, parameters_of
from services.web.programs import credentials
from services.web.programs.credentials import Credentials
from services.web.programs.front import identify, is_extension
from services.web.programs.limits import USUAL, Limit

# The original: `posts/recent` once a minute, `posts/all` once in 5 minutes.
RECENT = Limit(burst=100, every_s=1)
ALL = Limit(burst=30, every_s=10)
# A part of `posts/all` up to this long costs no more than other calls.
SMALL_PART = 100


class Method(NamedTuple):
    run: Callable[[Call], Awaitable[Response]]
    writes: bool = False
    limit: Limit = USUAL


METHODS: dict[str, Method] = {
    "posts/update": Method(posts.update),
    "posts/add": Method(posts.add, writes=True),
    "posts/delete": Method(posts.delete, writes=True),
    "posts/get": Method(posts.get),
    "posts/recent": Method(posts.recent, limit=RECENT),
    "posts/dates": Method(posts.dates),
    "posts/all": Method(posts.everything, limit=ALL),
    "posts/suggest": Method(posts.suggest),
    "tags/get": Method(tags.get),
    "tags/delete": Method(tags.delete, writes=True),
    "tags/rename": Method(tags.rename, writes=True),
    "user/secret": Method(account.secret),
    "user/api_token": Method(account.api_token),
    "notes/list": Method(account.list_notes),
}


async def answer(request: Request) -> Response:
    """Any call of this interface."""
    if request.method not in ("GET", "HEAD", "POST"):
        raise MethodNotAllowed(headers={"allow": "GET, POST"})
    name = request.path_params["method"].removesuffix("/")
    method = _method(name)
    parameters = await parameters_of(request)
    deps = deps_of(request)
    if method.writes:
        _check_origin(request, parameters)
    caller = await identify(request, deps, _shown(request, parameters))
    caller.require("write" if method.writes else "read")
    deps.limits.spend(_limit(method, parameters), (name, caller.user_id))
    return await method.run(Call(deps, caller, parameters))


def _method(name: str) -> Method:
    method = METHODS.get(name)
    if method is not None:
        return method
    folder, _, note_id = name.partition("/")
    if folder != "notes" or not note_id or "/" in note_id:
        raise NotFound(f"no method is {name[:100]}")
    return Method(partial(account.get_note, note_id=note_id))


def _shown(request: Request, parameters: Parameters) -> Credentials:
    auth_token = parameters.text("auth_token")
    if auth_token:
        shown: Credentials | None = credentials.from_address(auth_token.strip())
    else:
        shown = credentials.from_authorization(request.headers.get("authorization"), schemes=("basic",))
    if shown is None:
        raise Unauthenticated("send auth_token=<user>:<token>, or HTTP Basic")
    return shown


def _check_origin(request: Request, parameters: Parameters) -> None:
    """Raise Forbidden when a browser says that another site's page sent this with a password it remembers.

    Here a GET changes things, and Basic goes with whatever a page loads. Programs do not send this header;
    an extension sends its credentials itself.
    """
    elsewhere = request.headers.get("sec-fetch-site") in ("cross-site", "same-site")
    if elsewhere and not parameters.text("auth_token") and not is_extension(request.headers):
        raise Forbidden("another site's page sent this")


def _limit(method: Method, parameters: Parameters) -> Limit:
    if method.limit is not ALL:
        return method.limit
    results = parameters.number("results")
    return USUAL if results is not None and 0 <= results <= SMALL_PART else ALL

"""What one Envoy route does with a request, told in the terms of the rule it came from."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace

from mesh.local.envoy import destinations
from mesh.local.envoy.view import View
from mesh.local.envoy.virtual_service import Route
from mesh.local.explain import policies
from mesh.local.explain.answer import Explanation, Fault, Outcome, Place, Retries
from mesh.local.explain.request import Request
from mesh.local.explain.targets import targets
from mesh.local.model import Json

_FAULT = "envoy.filters.http.fault"
_CODES = {
    "MOVED_PERMANENTLY": 301,
    "FOUND": 302,
    "SEE_OTHER": 303,
    "TEMPORARY_REDIRECT": 307,
    "PERMANENT_REDIRECT": 308,
}


def carried_out(view: View, request: Request, host: str, route: Route) -> Explanation:
    """The explanation of a request that takes this route of this virtual host."""
    envoy = route.envoy
    name, rule = envoy.get("name", ""), _place(route)
    if "redirect" in envoy:
        status = _CODES[envoy["redirect"]["response_code"]]
        where = location(envoy["redirect"], envoy["match"], request)
        return Explanation("answered", "redirected", status, host, name, rule, location=where)
    if "direct_response" in envoy:
        status = envoy["direct_response"]["status"]
        return Explanation("answered", "the rule answers itself", status, host, name, rule)
    action = envoy["route"]
    sent = _with_headers(replace(request, path=rewritten(action, envoy["match"], request.path)), envoy)
    if "host_rewrite_literal" in action:
        sent = replace(sent, authority=action["host_rewrite_literal"])
    found = tuple(targets(view, action, sent, request))
    certain = {target.verdict.status for target in found if target.verdict and not target.verdict.allowed}
    failed = len(certain) == 1 and all(t.verdict and not t.verdict.allowed for t in found)
    reason = next((t.verdict.reason for t in found if t.verdict), "") if failed else "sent to its destination"
    return Explanation(
        outcome=_outcome(certain) if failed else "forwarded",
        reason=reason,
        status=min(certain) if failed else None,
        virtual_host=host,
        route=name,
        rule=rule,
        authority=sent.authority,
        path=sent.path,
        timeout=None if action.get("timeout", "0s") == "0s" else action["timeout"],
        retries=_retries(action.get("retry_policy")),
        fault=_fault(envoy.get("typed_per_filter_config", {}).get(_FAULT)),
        mirrors=tuple(mirror["cluster"] for mirror in action.get("request_mirror_policies", ())),
        targets=found,
    )


def _outcome(statuses: Collection[int]) -> Outcome:
    """A policy denies by 401 or 403; what else goes wrong on the way is a failure."""
    return "denied" if all(status in (401, 403) for status in statuses) else "failed"


def rewritten(action: Json, match: Json, path: str) -> str:
    """The path as the destination gets it."""
    plain, mark, query = path.partition("?")
    if "prefix_rewrite" in action:
        matched = match.get("prefix", plain)
        plain = action["prefix_rewrite"] + plain[len(matched) :]
    elif regex := action.get("regex_rewrite"):
        substitution = re.sub(r"\\(\d)", r"\\g<\1>", regex["substitution"])
        plain = re.sub(regex["pattern"]["regex"], substitution, plain)
    return plain + mark + query


def location(redirect: Json, match: Json, request: Request) -> str:
    """The Location header of a redirect; a port in the request's Host stays unless the host is replaced."""
    scheme = redirect.get("scheme_redirect", request.scheme)
    authority = redirect.get("host_redirect", request.authority)
    if "port_redirect" in redirect:
        host, colon, port = authority.rpartition(":")
        authority = f"{host if colon and port.isdigit() else authority}:{redirect['port_redirect']}"
    if "path_redirect" in redirect:
        _, mark, query = request.path.partition("?")
        path = redirect["path_redirect"] + ("" if "?" in redirect["path_redirect"] else mark + query)
    else:
        path = rewritten(redirect, match, request.path)
    return f"{scheme}://{authority}{path}"


def _with_headers(request: Request, envoy: Json) -> Request:
    """The request with the route's own header operations, which policies at the destination see."""
    headers = dict(request.headers)
    for name in envoy.get("request_headers_to_remove", ()):
        headers.pop(name.lower(), None)
    for option in envoy.get("request_headers_to_add", ()):
        name, value = option["header"]["key"].lower(), str(option["header"]["value"])
        joined = name in headers and option["append_action"].startswith("APPEND")
        headers[name] = f"{headers[name]},{value}" if joined else value
    return replace(request, headers=headers)


def _place(route: Route) -> Place | None:
    return None if route.resource is None else policies.place(route.resource, *route.path)


def _retries(policy: Json | None) -> Retries | None:
    if policy is None:
        return None
    return Retries(policy["num_retries"], policy["retry_on"], policy.get("per_try_timeout"))


def _fault(config: Json | None) -> Fault | None:
    if config is None:
        return None
    delay, abort = config.get("delay", {}), config.get("abort", {})
    return Fault(
        delay=delay.get("fixed_delay"),
        delay_percent=_percent(delay),
        abort=abort.get("http_status", abort.get("grpc_status")),
        abort_percent=_percent(abort),
    )


def _percent(part: Json) -> float:
    numerator: float = part.get("percentage", {}).get("numerator", 0)
    return 100 * numerator / destinations.MILLION

"""Judges what somebody wants to write, as istiod's own webhook does: what is wrong is refused at the door.

An object of Istio's that the mesh could not act on is refused with the sentence that `mesh check` has for it.
What only other objects make wrong is a warning, since they may be about to come, and so is what is wrong with
a kind that others act on, too.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from mesh.local.check import validate
from mesh.local.kubernetes import reading
from mesh.local.model import Finding, Json, Resource
from mesh.local.schema import judge

PATH = "/validate"
WITHIN_S = 10
MAX_BYTES = 8 * 1024 * 1024  # an object of the server's is 1.5 MiB at most, and may stand in it twice
NAME = "delinkcious-mesh"
ISTIO = "istio.io"
GROUPS = ("networking.istio.io", "security.istio.io", "telemetry.istio.io", "extensions.istio.io")
# A kind of Istio's is not written unjudged; one that others write too must not depend on the mesh.
RULES = {
    "policy": ({"apiGroups": list(GROUPS), "resources": ["*"]}, "Fail"),
    "objects": ({"apiGroups": [""], "resources": ["services", "configmaps"]}, "Ignore"),
}


def configuration(url: str, authority: Path) -> Json:
    """What the API server has to know to ask."""
    trusted = base64.b64encode(authority.read_bytes()).decode()
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": NAME},
        "webhooks": [
            {
                "name": f"{name}.mesh.delinkcious.io",
                "clientConfig": {"url": url + PATH, "caBundle": trusted},
                "rules": [{**rule, "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"]}],
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": failure,
                "timeoutSeconds": WITHIN_S,
            }
            for name, (rule, failure) in RULES.items()
        ],
    }


def route(everything: Callable[[], Sequence[Resource]]) -> Route:
    """`everything` gives what there is now."""

    async def endpoint(request: Request) -> Response:
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_BYTES:
                return PlainTextResponse(f"more than {MAX_BYTES} bytes", 413)
        try:
            answer = reviewed(msgspec.json.decode(body), everything())
        except (msgspec.DecodeError, KeyError, TypeError, AttributeError) as error:
            return PlainTextResponse(f"is no AdmissionReview: {error!r}", 400)
        return Response(msgspec.json.encode(answer), media_type="application/json")

    return Route(PATH, endpoint, methods=["POST"])


def reviewed(review: Json, everything: Sequence[Resource]) -> Json:
    """The answer to an AdmissionReview (pure)."""
    asked = review["request"]
    found = reading.resource(asked["object"])
    own = judge(found)
    errors = [one for one in own if one.level == "error"]
    answer: dict[str, Any] = {"uid": asked["uid"], "allowed": True}
    if errors and ISTIO in found.api_version:
        answer["allowed"] = False
        answer["status"] = {"code": 422, "reason": "Invalid", "message": "; ".join(map(_told, errors))}
    else:
        doubts = own if errors else [*own, *_among(found, everything)]
        answer["warnings"] = list(dict.fromkeys(map(_told, doubts)))
    return {"apiVersion": review["apiVersion"], "kind": review["kind"], "response": answer}


def _among(found: Resource, everything: Sequence[Resource]) -> list[Finding]:
    """What is said of it when it stands among the others."""
    others = [one for one in everything if one.key != found.key]
    _, findings = validate([*others, found])
    name = f"{found.namespace}/{found.name}"
    return [one for one in findings if (one.kind, one.name) == (found.kind, name)]


def _told(one: Finding) -> str:
    return f"{one.field}: {one.message}" if one.field and one.field not in one.message else one.message

"""What a handler may ask for, checked when the application is composed."""

import msgspec
import pytest

from services.kit.auth import Principal
from services.kit.endpoint import Access, Endpoint, NoContent, etag_matches, require_match
from services.kit.errors import PreconditionFailed, PreconditionRequired
from services.kit.serving.arguments import Signature, pointer_to


class Loose(msgspec.Struct):
    text: str


async def takes_anything(deps: object, body: Loose) -> NoContent:
    raise AssertionError


async def takes_what_nobody_has(deps: object, colour: str) -> NoContent:
    raise AssertionError


async def takes_a_principal(deps: object, principal: Principal) -> NoContent:
    raise AssertionError


async def takes_the_request(deps: object, request: object) -> NoContent:
    raise AssertionError


@pytest.mark.parametrize(
    ("handler", "fault"),
    [
        (takes_anything, "forbid_unknown_fields"),
        (takes_what_nobody_has, "colour"),
        (takes_a_principal, "Principal | None"),
        (takes_the_request, "idempotent=False"),
    ],
)
def test_a_handler_that_could_not_be_served_stops_the_start(handler: object, fault: str) -> None:
    endpoint = Endpoint(method="POST", path="/x", handler=handler, access=Access.PUBLIC)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=fault):
        Signature.of(endpoint)


def test_a_pointer_escapes_what_it_must() -> None:
    assert pointer_to(["a/b", 0, "c~d"]) == "/a~1b/0/c~0d"
    assert pointer_to([]) == ""


@pytest.mark.parametrize("header", ['"3"', '"1", "3"', "*", ' "3" '])
def test_an_if_match_that_names_the_version_passes(header: str) -> None:
    require_match(header, "3")


@pytest.mark.parametrize("header", ['"4"', "3", 'W/"3"', ""])
def test_an_if_match_that_does_not_name_it_fails(header: str) -> None:
    with pytest.raises(PreconditionFailed):
        require_match(header, "3")


def test_an_if_match_may_be_required() -> None:
    require_match(None, "3")
    with pytest.raises(PreconditionRequired):
        require_match(None, "3", required=True)


def test_a_weak_tag_matches_only_weakly() -> None:
    assert etag_matches('W/"3"', "3", weak=True)
    assert not etag_matches('W/"3"', "3")

import msgspec
import pytest

from services.kit import errors
from services.kit.errors import NotFound, Problem, TooManyRequests, Unauthenticated, by_status
from telemetry.traces import continued


class NameTaken(errors.Conflict):
    title = "The name is taken"


def test_a_problem_says_what_kind_it_is_and_what_its_members_are() -> None:
    assert NameTaken("ann", name="ann").document() == {
        "type": errors.TYPE_PREFIX + "name-taken",
        "title": "The name is taken",
        "status": 409,
        "detail": "ann",
        "name": "ann",
    }


@pytest.mark.parametrize(("seconds", "header"), [(0, "1"), (0.2, "1"), (1.5, "2"), (60, "60")])
def test_retry_after_is_whole_seconds_and_never_none(seconds: float, header: str) -> None:
    assert TooManyRequests(retry_after_s=seconds).headers == {"retry-after": header}


def test_a_challenge_stands_in_the_header() -> None:
    assert Unauthenticated().headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("problem", [NotFound("x"), errors.Unavailable()])
def test_every_answer_of_a_request_carries_its_trace_id(problem: Problem) -> None:
    with continued("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"):
        said = msgspec.json.decode(errors.render(problem).body)
    assert said["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"


def test_every_status_of_the_kit_has_one_class() -> None:
    kinds = [kind for kind in Problem.__subclasses__() if kind.__module__ == errors.__name__]
    assert len({kind.status for kind in kinds}) == len(kinds)
    for kind in kinds:
        assert by_status(kind.status) is kind
    assert by_status(418) is errors.InternalError

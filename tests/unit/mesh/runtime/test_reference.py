from __future__ import annotations

import pytest

from mesh.local.runtime.errors import NotFound
from mesh.local.runtime.reference import chosen

PODS = [
    ("shop", "web-0a1b2c3d-1"),
    ("shop", "web-0a1b2c3d-0"),
    ("shop", "web-api-0a1b2c3d-0"),
    ("test", "db-0a1b2c3d-0"),
    ("shop", "db-0a1b2c3d-0"),
]


def test_a_pod_is_named_alone_or_with_its_namespace() -> None:
    assert chosen("web-api-0a1b2c3d-0", None, PODS) == ("shop", "web-api-0a1b2c3d-0")
    assert chosen("test/db-0a1b2c3d-0", None, PODS) == ("test", "db-0a1b2c3d-0")
    assert chosen("db-0a1b2c3d-0", "shop", PODS) == ("shop", "db-0a1b2c3d-0")


def test_of_a_deployment_the_first_of_its_own_pods_is_meant() -> None:
    assert chosen("deployment/web", None, PODS) == ("shop", "web-0a1b2c3d-1")
    assert chosen("deploy/web-api", "shop", PODS) == ("shop", "web-api-0a1b2c3d-0")


def test_a_name_that_no_pod_has_is_a_deployment_s() -> None:
    assert chosen("web", None, PODS) == ("shop", "web-0a1b2c3d-1")
    assert chosen("test/db", None, PODS) == ("test", "db-0a1b2c3d-0")


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("nobody", 'pod "nobody" not found'),
        ("shop/nobody", 'pod "shop/nobody" not found'),
        ("db", "several namespaces (shop, test)"),
        ("deployment/nobody", 'deployment "nobody" has no pod'),
        ("db-0a1b2c3d-0", "several namespaces (shop, test)"),
        ("deployment/db", "several namespaces (shop, test)"),
        ("deployment/w.b", "has no pod"),
    ],
)
def test_what_means_nothing_or_too_much_is_refused_in_words(reference: str, words: str) -> None:
    with pytest.raises(NotFound, match=words.replace("(", r"\(").replace(")", r"\)")):
        chosen(reference, None, PODS)


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("web", 'pod "web" not found in namespace 2;'),
        ("deployment/web", 'deployment "web" has no pod in namespace 2;'),
    ],
)
def test_a_refusal_names_the_namespace_that_was_looked_in(reference: str, words: str) -> None:
    with pytest.raises(NotFound, match=words):
        chosen(reference, "2", PODS)

"""What a book is."""

from typing import Any

from serving import Headers, serve

BOOKS = {"1": {"title": "The Comedy of Errors", "author": "William Shakespeare", "pages": 200}}


def details(path: str, headers: Headers) -> Any:
    return BOOKS.get(path.rpartition("/")[2])


serve(details)

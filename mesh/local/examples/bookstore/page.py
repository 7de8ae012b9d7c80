"""The page of a book: its details and its reviews, asked of the services that have them."""

from typing import Any

from serving import Headers, ask, serve


def page(path: str, headers: Headers) -> Any:
    """`/books/1`."""
    book = path.rpartition("/")[2]
    details = ask(f"http://details/{book}", headers)
    return {"details": details, "reviews": ask(f"http://reviews/{book}", headers)}


serve(page)

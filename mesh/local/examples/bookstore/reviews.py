"""What readers say. VERSION v1 has no stars; v2 and v3 ask for them, and draw them in black and in red."""

import os
from typing import Any

from serving import Headers, ask, serve

VERSION = os.environ.get("VERSION", "v1")
COLOURS = {"v2": "black", "v3": "red"}


def reviews(path: str, headers: Headers) -> Any:
    book = path.rpartition("/")[2]
    found: dict[str, Any] = {"version": VERSION, "text": "An extremely entertaining play."}
    if colour := COLOURS.get(VERSION):
        ratings = ask(f"http://ratings/{book}", headers)
        stars = ratings.get("stars")
        found["stars"] = f"{stars} {colour}" if stars else "Ratings are not available"
    return found


serve(reviews)

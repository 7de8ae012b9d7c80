"""What is printed, and what others wrote in it made fit to be shown on a terminal."""

from __future__ import annotations

from rich.console import Console

# More than a row of a table takes.
UNBOUNDED_COLUMNS = 1_000_000

# Control characters, with which a title could clear the screen or retitle the window, and those that turn
# the direction of what follows them.
_ACTING = (*range(0x20), *range(0x7F, 0xA0), *range(0x2028, 0x202F), *range(0x2066, 0x206A))
_SHOWN = dict.fromkeys(_ACTING, "\N{REPLACEMENT CHARACTER}")


def shown(text: str) -> str:
    """One line of the text, with whatever a terminal would obey replaced."""
    return text.translate(_SHOWN)


def console() -> Console:
    """Where tables are printed: as wide as the terminal; what goes to a program is not wrapped."""
    made = Console()
    return made if made.is_terminal else Console(width=UNBOUNDED_COLUMNS)

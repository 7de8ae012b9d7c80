"""What to do about an alert: its runbook, a Markdown file, as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup


def names() -> set[str]:
    """The alerts that have one."""
    folder = resources.files("telemetry") / "runbooks"
    files = (file.name for file in folder.iterdir()) if folder.is_dir() else ()
    return {name.removesuffix(".md") for name in files if name.endswith(".md")}


def html(name: str) -> Markup:
    return rendered((resources.files("telemetry") / "runbooks" / f"{name}.md").read_text())


def rendered(text: str) -> Markup:
    """Markdown as HTML, in which nothing of the text itself is markup."""
    return Markup(_MARKDOWN.render(text))  # noqa: S704 - the library has escaped it


class _Renderer(RendererHTML):
    """What may be wider than the page scrolls by itself, by keyboard too."""

    def fence(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        code = super().fence(tokens, idx, options, env)
        return code.replace("<pre>", '<pre tabindex="0" role="group" aria-label="Code">', 1)

    def code_block(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        code = super().code_block(tokens, idx, options, env)
        return code.replace("<pre>", '<pre tabindex="0" role="group" aria-label="Code">', 1)

    def table_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return '<div class="scroll" tabindex="0" role="group" aria-label="Table">\n<table>\n'

    def table_close(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return "</table>\n</div>\n"


# No HTML of the file's own; addresses of scripts are refused by the library.
_MARKDOWN = MarkdownIt("commonmark", {"html": False}, renderer_cls=_Renderer).enable("table")

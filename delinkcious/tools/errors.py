"""Why a tool could not be had."""

from __future__ import annotations


class ToolUnavailable(Exception):
    """The text says why, and what to do."""

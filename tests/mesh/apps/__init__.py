"""Tiny programs that the tests run behind real sidecars."""

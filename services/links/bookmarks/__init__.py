"""Bookmark files: readers of what browsers and bookmark services export, the import of one, the export.

Here live the formats, the rules of their fields, and an import's stages: receive, read, merge, write.
What a link may hold is `services/links/domain.py`; what one address is, `services/links/urls.py`.
"""

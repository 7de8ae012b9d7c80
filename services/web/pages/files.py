"""Bookmark files in and out: an import with its progress, an export in three formats."""

from __future__ import annotations

import secrets

from starlette.responses import Response

from services.kit.errors import BadRequest, NotFound, Problem, Unauthenticated
from services.kit.serving.downloads import Download
from services.links.client import (
    EXPORT_DEADLINE_S,
    IMPORT_DEADLINE_S,
    ExportFormat,
    ExportQuery,
    Options,
)
from services.web import uploads
from services.web.failures import said
from services.web.page import page
from services.web.visit import FORM_TOKEN, Visit

FORMATS: dict[ExportFormat, tuple[str, str, str]] = {
    "netscape": ("bookmarks.html", "text/html; charset=utf-8", "HTML, for every browser"),
    "json": ("bookmarks.json", "application/json", "JSON, as Pinboard writes it"),
    "csv": ("bookmarks.csv", "text/csv; charset=utf-8", "CSV, for spreadsheets and Raindrop.io"),
}


async def import_form(visit: Visit) -> Response:
    return visit.render("files/import.html", key=secrets.token_urlsafe(12), problem="")


async def import_file(visit: Visit) -> Response:
    """Pass the file on as it comes; the answer is the way to the report."""
    key: str = visit.request.path_params["key"]
    upload = await uploads.receive(visit.request)
    visit.check_form_token(upload.form.text(FORM_TOKEN))
    if not upload.file_name:
        return _again(visit, BadRequest("choose a file first"))
    options = Options(folders=upload.form.flag("folders"), private=upload.form.flag("private"))
    try:
        await visit.links.import_file(key, upload.content, options)
    except Unauthenticated:
        raise
    except Problem as error:
        return _again(visit, error)
    return visit.redirect(f"/import/{key}")


def _again(visit: Visit, error: Problem) -> Response:
    return visit.render("files/import.html", error.status, key=secrets.token_urlsafe(12), problem=said(error))


async def progress(visit: Visit) -> Response:
    """How far an import is, or its report; htmx asks for it every second."""
    key: str = visit.request.path_params["key"]
    try:
        report = await visit.links.import_progress(key)
    except NotFound:
        if not visit.is_partial:
            raise
        report = None
    template = "files/progress_part.html" if visit.is_partial else "files/progress.html"
    return visit.render(template, key=key, report=report)


async def export_page(visit: Visit) -> Response:
    return visit.render("files/export.html", formats=FORMATS)


async def export(visit: Visit) -> Response:
    chosen = visit.request.path_params["format"]
    if chosen not in FORMATS:
        raise NotFound("no such format")
    file_name, media_type, _ = FORMATS[chosen]
    download = Download(visit.links.export(ExportQuery(format=chosen)), file_name, media_type)
    return await download.begin()


ROUTES = [
    page("/import", get=import_form),
    page("/import/{key}", get=progress, post=import_file, streamed=True, deadline_s=IMPORT_DEADLINE_S),
    page("/export", get=export_page),
    page("/export/{format}", get=export, streamed=True, deadline_s=EXPORT_DEADLINE_S),
]

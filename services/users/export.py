"""All that this service keeps of a person, as one document."""

from __future__ import annotations

import datetime as dt

import msgspec

from services.users.audit import AuditEntry
from services.users.domain import ApiToken, Session, User
from services.users.oidc.domain import Identity


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """The secrets are left out: the service knows their hashes only.

    `audit_next` is the cursor of the audit log's entries older than those here; None: there are none.
    """

    exported_at: dt.datetime
    profile: User
    sessions: list[Session]
    tokens: list[ApiToken]
    identities: list[Identity]
    audit: list[AuditEntry]
    audit_next: str | None = None

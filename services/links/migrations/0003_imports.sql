-- Imports of bookmark files: how far each one is, and its report.

-- Tags of a link and more of them, as many as a link may have (links_tags_limit); those it has go first.
CREATE FUNCTION united_tags(kept text[], more text[]) RETURNS text[]
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN sorted_tags(kept || (ARRAY(
        SELECT tag FROM unnest(more) AS tag WHERE tag <> ALL (kept) ORDER BY tag COLLATE "C"
    ))[1:greatest(0, 100 - cardinality(kept))]);

-- A row is found by the owner's name for it, so that whoever sends the same file with the same key carries on.
CREATE TABLE imports (
    owner_id bigint NOT NULL,
    key text NOT NULL CHECK (char_length(key) <= 64),
    state text NOT NULL DEFAULT 'receiving' CHECK (state IN ('receiving', 'reading', 'writing', 'done', 'failed')),
    -- What decides the outcome: the options and the SHA-256 of the file, once it is here.
    folders boolean NOT NULL,
    private boolean NOT NULL,
    content bytea,
    -- Received, then read.
    bytes bigint NOT NULL DEFAULT 0,
    total_bytes bigint,
    -- What the file holds: a services.links.bookmarks.merge.Contents, once it is read.
    contents jsonb,
    -- The links up to this place in the file are written; both are set by the transaction that writes them.
    last_place bigint NOT NULL DEFAULT 0,
    handled bigint NOT NULL DEFAULT 0,
    added bigint NOT NULL DEFAULT 0,
    updated bigint NOT NULL DEFAULT 0,
    unchanged bigint NOT NULL DEFAULT 0,
    -- Links for which the account has no room: how many, and the first of them.
    refused bigint NOT NULL DEFAULT 0,
    refused_entries jsonb NOT NULL DEFAULT '[]',
    problem text,
    -- Who is at work on it, and until when it may be thought alive; no other import of the owner begins before.
    holder uuid,
    lease_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT imports_pkey PRIMARY KEY (owner_id, key)
);

CREATE INDEX imports_owner_updated_idx ON imports (owner_id, updated_at DESC);

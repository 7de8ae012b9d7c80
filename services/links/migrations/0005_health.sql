-- What a check of a link found: why it is dead, and the address it has moved to for good, as a suggestion.
ALTER TABLE links ADD COLUMN health_reason text NOT NULL DEFAULT '';
ALTER TABLE links ADD COLUMN suggested_url text;

-- Everybody's public links, newest first, for the feeds.
CREATE INDEX links_everybody_idx ON links (created_at DESC, id DESC) WHERE NOT private;

-- Accounts that are gone: an access token outlives its account by minutes, and must not save anything any more.
CREATE TABLE deleted_owners (
    owner_id bigint CONSTRAINT deleted_owners_pkey PRIMARY KEY,
    deleted_at timestamptz NOT NULL DEFAULT now()
);

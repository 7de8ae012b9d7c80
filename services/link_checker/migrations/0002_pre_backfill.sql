-- How far `links` has told of the links that it had before this service listened: one row. An empty database
-- begins at the beginning, so that a lost one is filled again by itself.
CREATE TABLE backfill (
    singleton boolean DEFAULT true CONSTRAINT backfill_pkey PRIMARY KEY CHECK (singleton),
    owner_id bigint NOT NULL DEFAULT 0,
    link_id bigint NOT NULL DEFAULT 0,
    done_at timestamptz
);
INSERT INTO backfill DEFAULT VALUES;

-- Accounts that are gone: an access token outlives its account by some minutes, and must leave nothing here.
CREATE TABLE departed (
    user_id bigint CONSTRAINT departed_pkey PRIMARY KEY,
    departed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX departed_at_idx ON departed (departed_at);

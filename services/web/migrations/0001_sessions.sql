-- Who is signed in at the pages. The browser holds a random id; here stands its hash.
CREATE TABLE web_sessions (
    id_hash bytea CONSTRAINT web_sessions_pkey PRIMARY KEY CHECK (octet_length(id_hash) = 32),
    user_id bigint NOT NULL,
    username text NOT NULL,
    -- The session of the users service that the tokens belong to.
    users_session_id bigint,
    -- Access and refresh token, encrypted with a key that takes the browser's id to make.
    tokens bytea NOT NULL,
    access_expires_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX web_sessions_user_idx ON web_sessions (user_id);
CREATE INDEX web_sessions_expires_idx ON web_sessions (expires_at);

-- Feeds that only the owner's feed reader may fetch. The address holds a secret made from `nonce`; to read in
-- the owner's name there is an API token of theirs (scope read), encrypted.
CREATE TABLE feed_tokens (
    user_id bigint CONSTRAINT feed_tokens_pkey PRIMARY KEY,
    username text NOT NULL,
    nonce bytea NOT NULL,
    api_token_id bigint NOT NULL,
    api_token bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

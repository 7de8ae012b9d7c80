-- Accounts and what proves who one is. Secrets stand here only as hashes (or, private keys, encrypted).

CREATE TABLE users (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT users_pkey PRIMARY KEY,
    -- Folded to lower case before it comes here: the constraint makes it unique whatever the case.
    username text COLLATE "C" NOT NULL CONSTRAINT users_username_key UNIQUE
        CONSTRAINT users_username_form CHECK (username ~ '^[a-z0-9_-]{3,32}$'),
    email text CHECK (char_length(email) <= 254),
    -- argon2id in PHC form: parameters, salt and hash.
    password_hash text NOT NULL,
    -- SHA-256 of the Idempotency-Key of the sign-up, so that its repetition gets the same answer.
    request_key bytea CONSTRAINT users_request_key_key UNIQUE,
    created_at timestamptz NOT NULL,
    password_changed_at timestamptz NOT NULL
);

-- One row per sign-in, which is one family of refresh tokens: a token is a selector, the same in the whole
-- family, and a secret, which every refresh replaces. A known selector with an old secret is reuse.
CREATE TABLE sessions (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT sessions_pkey PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    selector_hash bytea NOT NULL CONSTRAINT sessions_selector_key UNIQUE CHECK (octet_length(selector_hash) = 32),
    secret_hash bytea NOT NULL CHECK (octet_length(secret_hash) = 32),
    -- The refresh before, for the one repetition that is allowed: the same token with the same Idempotency-Key.
    previous_hash bytea CHECK (octet_length(previous_hash) = 32),
    request_key bytea,
    user_agent text NOT NULL DEFAULT '' CHECK (char_length(user_agent) <= 200),
    created_at timestamptz NOT NULL,
    refreshed_at timestamptz NOT NULL,
    -- Moves with every refresh, never beyond `ends_at`.
    expires_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL
);
CREATE INDEX sessions_user_idx ON sessions (user_id, refreshed_at DESC);
CREATE INDEX sessions_expiry_idx ON sessions (expires_at);

CREATE TABLE api_tokens (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT api_tokens_pkey PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    scopes text[] NOT NULL CHECK (scopes <@ ARRAY['read', 'write'] AND cardinality(scopes) BETWEEN 1 AND 2),
    token_hash bytea NOT NULL CONSTRAINT api_tokens_hash_key UNIQUE CHECK (octet_length(token_hash) = 32),
    -- What makes the same token again when its creation is repeated with the same Idempotency-Key (SHA-256).
    request_key bytea,
    salt bytea,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    last_used_at timestamptz,
    CONSTRAINT api_tokens_user_name_key UNIQUE (user_id, name),
    CONSTRAINT api_tokens_request_key_key UNIQUE (user_id, request_key)
);
CREATE INDEX api_tokens_expiry_idx ON api_tokens (expires_at) WHERE expires_at IS NOT NULL;

-- `next` stands in the JWKS long before it signs; `retired` until the last token it signed has expired.
CREATE TABLE signing_keys (
    kid text CONSTRAINT signing_keys_pkey PRIMARY KEY,
    state text NOT NULL CHECK (state IN ('next', 'active', 'retired')),
    public_jwk text NOT NULL,
    -- Nonce and AES-256-GCM of the PKCS#8 key under the key-encryption key; the kid is associated data.
    private_key bytea NOT NULL,
    created_at timestamptz NOT NULL,
    activated_at timestamptz,
    retired_at timestamptz
);
CREATE UNIQUE INDEX signing_keys_one_idx ON signing_keys (state) WHERE state <> 'retired';

-- Leaky buckets of attempts. `key` is a keyed hash: neither names nor addresses stand here.
CREATE TABLE throttle (
    key bytea CONSTRAINT throttle_pkey PRIMARY KEY,
    -- When the bucket will be empty again.
    empty_at timestamptz NOT NULL
);
CREATE INDEX throttle_empty_idx ON throttle (empty_at);

-- Sign-in with an external identity provider (OpenID Connect).

-- An account that was made by such a sign-in has no password until one is set. The version before reads a missing
-- hash as that of nobody, and refuses every password.
-- squawk-ignore ban-drop-not-null
ALTER TABLE users ALTER COLUMN password_hash DROP NOT NULL;
CREATE INDEX users_email_idx ON users (lower(email)) WHERE email IS NOT NULL;

-- What signs in to an account: somebody at an issuer (`iss` and `sub` of its ID tokens), never an e-mail address.
CREATE TABLE identities (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT identities_pkey PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    issuer text NOT NULL,
    subject text COLLATE "C" NOT NULL CHECK (char_length(subject) BETWEEN 1 AND 255),
    -- The provider's id in the settings and the address that it vouched for, for the owner to tell them apart.
    provider text NOT NULL,
    email text CHECK (char_length(email) <= 254),
    created_at timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    CONSTRAINT identities_subject_key UNIQUE (issuer, subject)
);
CREATE INDEX identities_user_idx ON identities (user_id);

-- The identity that opened a session; empty: the password did.
ALTER TABLE sessions ADD COLUMN identity_id bigint;

-- Sign-ins under way at a provider. State, nonce and code verifier stand nowhere: they are made again from the
-- secret that the browser holds (of which this is the SHA-256) and a key of the service.
CREATE TABLE oidc_attempts (
    secret_hash bytea CONSTRAINT oidc_attempts_pkey PRIMARY KEY CHECK (octet_length(secret_hash) = 32),
    provider text NOT NULL,
    issuer text NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX oidc_attempts_expiry_idx ON oidc_attempts (expires_at);

-- Identities that were proven and belong to no account yet: to be linked to one, or to become one.
CREATE TABLE oidc_tickets (
    secret_hash bytea CONSTRAINT oidc_tickets_pkey PRIMARY KEY CHECK (octet_length(secret_hash) = 32),
    provider text NOT NULL,
    issuer text NOT NULL,
    subject text NOT NULL,
    email text,
    expires_at timestamptz NOT NULL
);
CREATE INDEX oidc_tickets_expiry_idx ON oidc_tickets (expires_at);

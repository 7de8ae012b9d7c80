-- The answers to writes that carried an Idempotency-Key; a day long (services/kit/serving/idempotency.py).
CREATE TABLE idempotency_keys (
    -- Who sent the key: a principal, or the endpoint where anyone may write.
    scope text NOT NULL,
    key text NOT NULL,
    -- SHA-256 of everything that makes the request what it is.
    request bytea NOT NULL,
    -- NULL only inside the transaction that is making the answer.
    status smallint,
    headers jsonb,
    body bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (scope, key)
);

CREATE INDEX idempotency_keys_created_idx ON idempotency_keys (created_at);

-- What happened to an account, for its owner: written with the action, never changed, forgotten after a while.
CREATE TABLE audit (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT audit_pkey PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    at timestamptz NOT NULL,
    action text NOT NULL,
    -- Where the request came from; an IPv6 address as its /64.
    address text NOT NULL,
    -- The session that did it, or that it was done to; it may be long gone.
    session_id bigint,
    details jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_user_idx ON audit (user_id, id DESC);
CREATE INDEX audit_user_action_idx ON audit (user_id, action, at);
CREATE INDEX audit_at_idx ON audit (at);

-- All that is left of a deleted account, as long as its audit log would have been kept.
CREATE TABLE deleted_accounts (
    user_id bigint CONSTRAINT deleted_accounts_pkey PRIMARY KEY,
    deleted_at timestamptz NOT NULL
);
CREATE INDEX deleted_accounts_at_idx ON deleted_accounts (deleted_at);

-- Append-only for the service: rows leave with their account, and by the retention, which says so beforehand.
CREATE FUNCTION guard_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND (
        current_setting('delinkcious.forget_audit', true) = 'on'
        OR NOT EXISTS (SELECT FROM users WHERE id = OLD.user_id)
    ) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION guard_audit();
CREATE TRIGGER audit_never_emptied BEFORE TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION guard_audit();

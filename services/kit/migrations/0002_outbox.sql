-- Events that are still to be published: written in the statement or transaction that changes the state, taken
-- away once the broker has them. `sequence` grows with every event of one `key` (a user's id) as long as writers of
-- one key wait for each other, which they do by locking a row of that user's first.
CREATE TABLE outbox (
    sequence bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT outbox_pkey PRIMARY KEY,
    id uuid NOT NULL DEFAULT uuidv7(),
    key bigint NOT NULL,
    type text NOT NULL,
    data jsonb NOT NULL,
    -- Set with set_config('delinkcious.traceparent', ..., true) earlier in the same transaction, or empty.
    traceparent text NOT NULL DEFAULT coalesce(current_setting('delinkcious.traceparent', true), ''),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Events whose effect is in this database: recorded in the transaction of the effect.
CREATE TABLE consumed_events (
    consumer text NOT NULL,
    id uuid NOT NULL,
    consumed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT consumed_events_pkey PRIMARY KEY (consumer, id)
);
CREATE INDEX consumed_events_consumed_at_idx ON consumed_events (consumed_at);

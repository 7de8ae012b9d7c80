-- Every address once, whoever saved it, with what is known of it; whose links have it; and the hosts, which are
-- what replicas lease: one check at a time of each host, wherever it runs.
--
-- Locks: a host's row, then its addresses, then the links that have them.

CREATE TABLE hosts (
    -- The host of an address as it is connected to; empty for addresses that nobody is ever sent to.
    host text CONSTRAINT hosts_pkey PRIMARY KEY,
    -- The soonest next_check_at of its addresses.
    due_at timestamptz NOT NULL,
    -- Not before: its lease, or the pause that manners ask for.
    free_at timestamptz NOT NULL DEFAULT '-infinity',
    -- Whose outcome is taken; that of a lease which ran out meanwhile is not.
    lease uuid
);
CREATE INDEX hosts_due_idx ON hosts (due_at);

CREATE TABLE urls (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT urls_pkey PRIMARY KEY,
    url text NOT NULL CHECK (octet_length(url) <= 8192),
    -- 8,192 bytes do not fit into a B-tree.
    url_hash bytea NOT NULL CONSTRAINT urls_url_key UNIQUE CHECK (octet_length(url_hash) = 32),
    host text NOT NULL REFERENCES hosts,
    health text NOT NULL DEFAULT 'unknown' CHECK (health IN ('unknown', 'alive', 'dead')),
    reason text NOT NULL DEFAULT '',
    failures bigint NOT NULL DEFAULT 0,
    failing_since timestamptz,
    quiet bigint NOT NULL DEFAULT 0,
    suggested_url text,
    title text,
    description text,
    checked_at timestamptz,
    next_check_at timestamptz NOT NULL
);
CREATE INDEX urls_host_due_idx ON urls (host, next_check_at);

CREATE TABLE refs (
    owner_id bigint NOT NULL,
    link_id bigint NOT NULL,
    -- NULL when the link is gone: the row stays for a while, so that an older event does not bring it back.
    url_id bigint REFERENCES urls,
    -- Of the link, from its events.
    version bigint NOT NULL,
    -- Whether its owner was told the page's title.
    titled boolean NOT NULL DEFAULT false,
    removed_at timestamptz,
    CONSTRAINT refs_pkey PRIMARY KEY (owner_id, link_id)
);
CREATE INDEX refs_url_idx ON refs (url_id) WHERE url_id IS NOT NULL;
CREATE INDEX refs_removed_idx ON refs (removed_at) WHERE removed_at IS NOT NULL;

-- Who has links here. A row stays for a while when the account is gone, as long as an event of it may still come.
CREATE TABLE owners (
    owner_id bigint CONSTRAINT owners_pkey PRIMARY KEY,
    -- When the next new address of this owner is due: a large import must not be before everybody else's links.
    next_at timestamptz NOT NULL DEFAULT '-infinity',
    gone_at timestamptz
);
CREATE INDEX owners_gone_idx ON owners (gone_at) WHERE gone_at IS NOT NULL;

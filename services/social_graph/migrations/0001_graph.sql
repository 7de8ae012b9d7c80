-- Who follows and who blocks whom, and what is counted about it.
--
-- Locks: whatever changes an edge locks the rows of all people concerned in `people` first, in the order of
-- their ids, since the triggers below will change them. So the writers of one person wait for each other and
-- never deadlock, the counts and limits are exact, no edge comes to be beside a block, and the outbox has the
-- order of the changes.
--
-- Partitioning: `follows` is read by follower and by followee. Beyond one database it becomes two tables with
-- the same edges, one partitioned by each, written by the triggers; everything else names one person already.

-- One sequence for all edges: a later change of an edge has a greater version, whoever reads it.
CREATE SEQUENCE edge_versions;

CREATE TABLE people (
    user_id bigint CONSTRAINT people_pkey PRIMARY KEY,
    -- NULL once the account is gone: the row stays as a mark, so that nothing that comes late revives it.
    username text COLLATE "C" CONSTRAINT people_username_key UNIQUE,
    followers bigint NOT NULL DEFAULT 0 CONSTRAINT people_followers_count CHECK (followers >= 0),
    following bigint NOT NULL DEFAULT 0 CONSTRAINT people_following_count CHECK (following >= 0),
    blocking bigint NOT NULL DEFAULT 0 CONSTRAINT people_blocking_count CHECK (blocking >= 0),
    -- When the changes that somebody made are paid for, one each so many seconds (store.py): a leaky bucket.
    settled_at timestamptz NOT NULL DEFAULT now(),
    -- When the last edge of a deleted account was removed; the mark is forgotten some time later.
    departed_at timestamptz
) WITH (fillfactor = 70); -- its counts change often, in place
CREATE INDEX people_departed_idx ON people (departed_at) WHERE departed_at IS NOT NULL;

CREATE TABLE follows (
    follower_id bigint NOT NULL CONSTRAINT follows_follower_fkey REFERENCES people,
    followee_id bigint NOT NULL CONSTRAINT follows_followee_fkey REFERENCES people,
    created_at timestamptz NOT NULL DEFAULT now(),
    version bigint NOT NULL DEFAULT nextval('edge_versions'),
    CONSTRAINT follows_pkey PRIMARY KEY (follower_id, followee_id),
    CONSTRAINT follows_not_oneself CHECK (follower_id <> followee_id)
);
-- Lists are in the order of versions, which is that of time, each place taken once; suggestions need no more
-- than is in the first of these indexes.
CREATE UNIQUE INDEX follows_following_idx ON follows (follower_id, version DESC) INCLUDE (followee_id);
CREATE UNIQUE INDEX follows_followers_idx ON follows (followee_id, version DESC) INCLUDE (follower_id);
-- A few people have most of the edges: the planner should know more of them than the usual hundred, or it
-- reads and sorts all edges of one to show a page.
ALTER TABLE follows ALTER COLUMN follower_id SET STATISTICS 1000;
ALTER TABLE follows ALTER COLUMN followee_id SET STATISTICS 1000;

CREATE TABLE blocks (
    blocker_id bigint NOT NULL CONSTRAINT blocks_blocker_fkey REFERENCES people,
    blocked_id bigint NOT NULL CONSTRAINT blocks_blocked_fkey REFERENCES people,
    created_at timestamptz NOT NULL DEFAULT now(),
    version bigint NOT NULL DEFAULT nextval('edge_versions'),
    CONSTRAINT blocks_pkey PRIMARY KEY (blocker_id, blocked_id),
    CONSTRAINT blocks_not_oneself CHECK (blocker_id <> blocked_id)
);
CREATE UNIQUE INDEX blocks_blocking_idx ON blocks (blocker_id, version DESC);
CREATE INDEX blocks_blocked_idx ON blocks (blocked_id, blocker_id);

-- The counts, and an event for each edge, by the statement that makes or ends it. Whoever fills a database with
-- example data says `SET delinkcious.events = off` for its own session.
CREATE FUNCTION follows_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    one CONSTANT bigint := CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END;
BEGIN
    UPDATE people AS p SET following = p.following + d.following, followers = p.followers + d.followers
    FROM (SELECT user_id, sum(following) AS following, sum(followers) AS followers
          FROM (SELECT follower_id AS user_id, one AS following, 0 AS followers FROM changed
                UNION ALL SELECT followee_id, 0, one FROM changed) AS each
          GROUP BY user_id) AS d
    WHERE p.user_id = d.user_id;
    IF current_setting('delinkcious.events', true) = 'off' THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'INSERT' THEN
        INSERT INTO outbox (key, type, data)
        SELECT follower_id, 'delinkcious.social.followed.v1', jsonb_build_object(
            'follower_id', follower_id, 'followee_id', followee_id, 'at', created_at, 'version', version)
        FROM changed ORDER BY version;
    ELSE
        INSERT INTO outbox (key, type, data)
        SELECT follower_id, 'delinkcious.social.unfollowed.v1', jsonb_build_object(
            'follower_id', follower_id, 'followee_id', followee_id, 'at', now(),
            'version', nextval('edge_versions'))
        FROM changed;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION blocks_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    one CONSTANT bigint := CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END;
BEGIN
    UPDATE people AS p SET blocking = p.blocking + one * d.blocking
    FROM (SELECT blocker_id, count(*) AS blocking FROM changed GROUP BY blocker_id) AS d
    WHERE p.user_id = d.blocker_id;
    IF TG_OP = 'INSERT' THEN
        INSERT INTO outbox (key, type, data)
        SELECT blocker_id, 'delinkcious.social.blocked.v1', jsonb_build_object(
            'blocker_id', blocker_id, 'blocked_id', blocked_id, 'at', created_at, 'version', version)
        FROM changed ORDER BY version;
    ELSE
        INSERT INTO outbox (key, type, data)
        SELECT blocker_id, 'delinkcious.social.unblocked.v1', jsonb_build_object(
            'blocker_id', blocker_id, 'blocked_id', blocked_id, 'at', now(),
            'version', nextval('edge_versions'))
        FROM changed;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER follows_added AFTER INSERT ON follows
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION follows_changed();
CREATE TRIGGER follows_removed AFTER DELETE ON follows
    REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION follows_changed();
CREATE TRIGGER blocks_added AFTER INSERT ON blocks
    REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION blocks_changed();
CREATE TRIGGER blocks_removed AFTER DELETE ON blocks
    REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION blocks_changed();

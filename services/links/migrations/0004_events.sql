-- Every change of a link that a reader can see is an event, written by the statement that makes the change,
-- whichever it is: a save, a bulk edit, a renamed tag, an import. Writers of one owner wait for each other
-- (0001_links.sql), so the events of an owner have the order of the changes.

CREATE FUNCTION publish_saved_links() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outbox (key, type, data)
    SELECT owner_id, 'delinkcious.link.saved.v1', jsonb_build_object(
        'id', id, 'owner_id', owner_id, 'url', url, 'title', title, 'note', left(note, 1000), 'tags', tags,
        'private', private, 'health', health, 'created_at', created_at, 'updated_at', updated_at, 'version', version)
    FROM saved ORDER BY id;
    RETURN NULL;
END $$;

CREATE FUNCTION publish_removed_links() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outbox (key, type, data)
    SELECT owner_id, 'delinkcious.link.removed.v1', jsonb_build_object(
        'id', id, 'owner_id', owner_id, 'url', url, 'version', version + 1)
    FROM removed ORDER BY id;
    RETURN NULL;
END $$;

-- Whoever fills a database with example data says `SET delinkcious.events = off` for its own session.
CREATE TRIGGER links_added_event AFTER INSERT ON links
    REFERENCING NEW TABLE AS saved
    FOR EACH STATEMENT WHEN (current_setting('delinkcious.events', true) IS DISTINCT FROM 'off') EXECUTE FUNCTION publish_saved_links();
CREATE TRIGGER links_changed_event AFTER UPDATE ON links
    REFERENCING NEW TABLE AS saved
    FOR EACH STATEMENT EXECUTE FUNCTION publish_saved_links();
CREATE TRIGGER links_removed_event AFTER DELETE ON links
    REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION publish_removed_links();

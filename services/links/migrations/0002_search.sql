-- What the search language (services/links/search) asks: words, tags and hosts of one owner, in one GIN index.
--
-- Every lexeme begins with its owner: `o42opython` is a word, `o42#c++` a tag, `o42@example.org` a host or a
-- domain above it. So one index serves all owners, and no query, not even for a prefix of one letter, reads an
-- entry of somebody else: what a search costs depends on the size of the owner's own collection. Without
-- fastupdate, whose list of pending entries every search would have to read through after an import.
--
-- Folding is written out here instead of taken from the extension `unaccent`, whose rules are a file of the
-- server that an upgrade may change under a stored column. services/links/search/words.py folds the same way.
-- No trigram index for parts of addresses: it would hold some 80 entries a link, each paid at every save, for
-- a condition that scans one owner's links in well under a second.

-- The words of a text, each with its owner in front, with one blank between them: accents and case folded,
-- `C++` as cplusplus, `C#` as csharp, `.NET` as dotnet, a word for each letter of the scripts that are written
-- without blanks. The control character U+001F, between blanks, comes out as the bare `o42o`.
CREATE FUNCTION search_words(owner_id bigint, written text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    owner text := 'o' || owner_id || 'o';
    folded text;
BEGIN
    IF octet_length(written) = char_length(written) THEN
        folded := lower(written COLLATE "C");
    ELSE
        folded := regexp_replace(normalize(written, NFKD), '[\u0300-\u036F]+', '', 'g');
        folded := translate(lower(folded COLLATE "pg_c_utf8"),
            'øłđðħıŧς٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹०१२३४५६७८९', 'olddhitσ012345678901234567890123456789');
        folded := replace(replace(replace(replace(folded, 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th');
        folded := regexp_replace(normalize(folded, NFC),
            '([\u0E00-\u0EFF\u1000-\u109F\u1780-\u17FF\u3040-\u30FF\u3400-\u9FFF\U00020000-\U0003FFFF])',
            ' \1 ', 'g');
    END IF;
    IF folded ~ '[+#%/]|\.net|www\.' THEN
        folded := regexp_replace(folded, '\mhttps?://|\mwww\.|%[0-9a-f]{2}', ' ', 'g');
        folded := regexp_replace(folded, '([[:alnum:]])\+\+(?![[:alnum:]])', '\1plusplus ', 'g');
        folded := regexp_replace(folded, '\m([a-z])#(?![[:alnum:]])', '\1sharp ', 'g');
        folded := regexp_replace(folded, '(?<![[:alnum:]])\.net(?![[:alnum:]])', ' dotnet ', 'g');
    END IF;
    folded := btrim(regexp_replace(folded COLLATE "pg_c_utf8", '[^[:alnum:]\u001F]+', ' ', 'g'), ' ');
    RETURN CASE WHEN folded = '' THEN '' ELSE owner || replace(folded, ' ', ' ' || owner) END;
END $$;

-- The host and each domain above it.
CREATE FUNCTION domains(host text) RETURNS text[]
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (
        SELECT coalesce(array_agg(array_to_string(labels[n:], '.')), '{}')
        FROM (SELECT string_to_array(right(host, 253), '.') AS labels) AS host_labels,
             generate_subscripts(labels, 1) AS n);

-- Title A, tags B, address D, note C; no phrase reaches from one field or tag into the next, since a bare
-- `o42o` takes a place between them before it is deleted. Only the beginning of a long field is searchable:
-- a tsvector holds 1 MB, and 24,000 different words of one letter each stay below it. A link without tags has
-- the bare key `o42#`.
-- The body is an expression, bound to its functions here: a restored dump computes it with an empty search path.
CREATE FUNCTION search_vector(owner_id bigint, title text, tags text[], url text, host text, note text)
    RETURNS tsvector LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN ts_delete(
        setweight(to_tsvector('simple', search_words(owner_id, left(title, 1000) || E' \x1F')), 'A')
        || setweight(to_tsvector('simple',
            search_words(owner_id, left(array_to_string(tags, E' \x1F '), 4096) || E' \x1F')), 'B')
        || setweight(to_tsvector('simple', search_words(owner_id, left(url, 2048) || E' \x1F')), 'D')
        || setweight(to_tsvector('simple', search_words(owner_id, left(note, 16384))), 'C'),
        'o' || owner_id || 'o')
        || array_to_tsvector(string_to_array(
            'o' || owner_id || '#' || array_to_string(tags, ',o' || owner_id || '#'), ','))
        || array_to_tsvector(string_to_array(
            'o' || owner_id || '@' || array_to_string(domains(host), ',o' || owner_id || '@'), ','));

-- The words of a text one after the other, the last one perhaps only begun, in the fields of `weights` ('' for
-- all of them). Without a word (one of more than 2 KB is none) it is the bare `o42o`, which no link has.
CREATE FUNCTION search_phrase(owner_id bigint, written text, begun boolean, weights text) RETURNS tsquery
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    phrase text := phraseto_tsquery('simple', search_words(owner_id, translate(written, E'\x1F', ' ')))::text;
    mark text := CASE WHEN weights = '' THEN '' ELSE ':' || weights END;
BEGIN
    IF phrase = '' THEN
        RETURN ('o' || owner_id || 'o')::tsquery;
    END IF;
    phrase := replace(phrase, ''' ', '''' || mark || ' ') || mark;
    RETURN (phrase || CASE WHEN NOT begun THEN '' WHEN mark = '' THEN ':*' ELSE '*' END)::tsquery;
END $$;

-- Any of the words, whole or (`begun`) as beginnings: what a match is ranked by. Operands joined by OR only,
-- because ranking AND and phrases compares each pair of words at each pair of places.
CREATE FUNCTION search_any_word(owner_id bigint, written text, begun boolean) RETURNS tsquery
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    words text := plainto_tsquery('simple', search_words(owner_id, translate(written, E'\x1F', ' ')))::text;
    mark text := CASE WHEN begun THEN ':*' ELSE '' END;
BEGIN
    IF words = '' THEN
        RETURN ('o' || owner_id || 'o')::tsquery;
    END IF;
    RETURN (replace(words, ' &', mark || ' |') || mark)::tsquery;
END $$;

-- A tag ('#') or a host ('@') exactly, or the beginning of one. A quoted lexeme escapes quote and backslash.
CREATE FUNCTION search_key(owner_id bigint, kind text, name text, begun boolean) RETURNS tsquery
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN ('''o' || owner_id || kind || replace(replace(name, '\', '\\'), '''', '''''') || ''''
        || CASE WHEN begun THEN ':*' ELSE '' END)::tsquery;

ALTER TABLE links ADD COLUMN search tsvector NOT NULL
    GENERATED ALWAYS AS (search_vector(owner_id, title, tags, url, host, note)) STORED;
CREATE INDEX links_search_idx ON links USING gin (search) WITH (fastupdate = off);

-- A state that is rare and asked for; `private` and `to_read` have theirs already.
CREATE INDEX links_dead_idx ON links (owner_id, created_at DESC, id DESC) WHERE health = 'dead';

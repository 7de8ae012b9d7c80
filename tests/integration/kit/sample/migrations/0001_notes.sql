CREATE TABLE notes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner_id bigint NOT NULL,
    text text NOT NULL,
    version int NOT NULL DEFAULT 1,
    CONSTRAINT notes_owner_text_key UNIQUE (owner_id, text)
);

-- The indexes get terms for single characters of scripts without spaces, and Arabic words without a conjunction. They are
-- filled when the database is opened.
DROP TRIGGER publication_terms_removed;
DROP TRIGGER passage_terms_removed;
DROP TABLE publication_terms;
DROP TABLE passage_terms;
CREATE VIRTUAL TABLE publication_terms USING fts5 (
    title, text, content = '', contentless_delete = 1, tokenize = 'ascii'
);
CREATE VIRTUAL TABLE passage_terms USING fts5 (
    title, text, content = '', contentless_delete = 1, tokenize = 'ascii'
);
CREATE TRIGGER publication_terms_removed AFTER DELETE ON passage WHEN old.kind IN ('course', 'story') BEGIN
    DELETE FROM publication_terms WHERE rowid = old.id;
END;
CREATE TRIGGER passage_terms_removed AFTER DELETE ON passage WHEN old.kind NOT IN ('course', 'story') BEGIN
    DELETE FROM passage_terms WHERE rowid = old.id;
END;

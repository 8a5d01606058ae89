-- Replaces the indexes of words and trigrams by indexes of terms, which the server derives from the texts as devices do
-- (carrel_sqlite::search). One index for whole publications, one for the texts in them, so that the ranks of the first
-- do not depend on the second. The indexes are filled when the database is opened.
DROP TRIGGER passage_added;
DROP TRIGGER passage_removed;
DROP TABLE passage_words;
DROP TABLE passage_trigrams;
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

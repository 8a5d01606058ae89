-- Replaces the index of words by an index of terms, which the app derives from the texts as the server does
-- (carrel_sqlite::search). It is filled in the background.
DROP TRIGGER page_text_insert;
DROP TRIGGER page_text_delete;
DROP TABLE page_words;
CREATE VIRTUAL TABLE page_terms USING fts5(
  title, text, content = '', contentless_delete = 1, tokenize = 'ascii'
);
CREATE TRIGGER page_terms_removed AFTER DELETE ON page_text BEGIN
  DELETE FROM page_terms WHERE rowid = old.rowid;
END;

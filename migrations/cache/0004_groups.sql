-- Lists of one entry for all languages of a story, and the lists of categories and languages, without reading the JSON of
-- each entry.
-- "f:" and the family of a story, or "i:" and the id of an entry without one.
ALTER TABLE listed ADD COLUMN grouped_by TEXT NOT NULL DEFAULT '';
UPDATE listed SET grouped_by = coalesce('f:' || nullif(summary ->> 'family', ''), 'i:' || id);
-- Contains all columns by which a list is filtered, so that the summaries of other pages are not read.
CREATE INDEX listed_group ON listed (kind, grouped_by, lang, position, level, category, difficulty);
CREATE INDEX listed_category ON listed (kind, category);
CREATE INDEX listed_lang ON listed (kind, lang);
-- The index gets terms for single characters of scripts without spaces, and Arabic words without a conjunction. It is
-- filled when the file is opened.
DROP TRIGGER listed_terms_removed;
DROP TABLE listed_terms;
CREATE VIRTUAL TABLE listed_terms USING fts5(
  title, text, content = '', contentless_delete = 1, tokenize = 'ascii'
);
CREATE TRIGGER listed_terms_removed AFTER DELETE ON listed BEGIN
  DELETE FROM listed_terms WHERE rowid = old.entry;
END;

-- Replaces the words of the catalogue by an index of terms (carrel_sqlite::search), which needs row ids that do not
-- change. The index is filled when the file is opened.
CREATE TABLE listed_with_id (
  entry INTEGER NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  -- Position in the server's list.
  position INTEGER NOT NULL,
  title TEXT NOT NULL,
  difficulty TEXT NOT NULL,
  level INTEGER NOT NULL,
  category TEXT NOT NULL,
  lang TEXT NOT NULL,
  -- CourseSummary or StorySummary as JSON.
  summary TEXT NOT NULL,
  -- 1: on this device, but not in the server's list.
  only_here INTEGER NOT NULL,
  UNIQUE (kind, id)
) STRICT;
INSERT INTO listed_with_id (kind, id, position, title, difficulty, level, category, lang, summary, only_here)
  SELECT kind, id, position, title, difficulty, level, category, lang, summary, only_here FROM listed;
DROP TABLE listed;
ALTER TABLE listed_with_id RENAME TO listed;
CREATE INDEX listed_order ON listed (kind, position);
CREATE VIRTUAL TABLE listed_terms USING fts5(
  title, text, content = '', contentless_delete = 1, tokenize = 'ascii'
);
CREATE TRIGGER listed_terms_removed AFTER DELETE ON listed BEGIN
  DELETE FROM listed_terms WHERE rowid = old.entry;
END;

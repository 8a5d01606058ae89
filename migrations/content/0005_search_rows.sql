-- The index gets terms for single characters of scripts without spaces, and Arabic words without a conjunction. It is
-- filled in the background. The row ids of the texts of one account follow each other: the n-th account has those from
-- n * 2^40, so that a search reads only its own.
DROP TRIGGER page_terms_removed;
DROP TABLE page_terms;
UPDATE page_text SET rowid = page_text.rowid + (n << 40)
  FROM (SELECT account, row_number() OVER (ORDER BY account) AS n FROM (SELECT DISTINCT account FROM page_text)) AS numbered
  WHERE numbered.account = page_text.account;
CREATE VIRTUAL TABLE page_terms USING fts5(
  title, text, content = '', contentless_delete = 1, tokenize = 'ascii'
);
CREATE TRIGGER page_terms_removed AFTER DELETE ON page_text BEGIN
  DELETE FROM page_terms WHERE rowid = old.rowid;
END;

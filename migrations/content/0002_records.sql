-- Files in records/ hold what is needed to rebuild this database: docs/CACHE.md, "Recovery".

-- Downloads that were taken back and whose record may still lie in records/: named in the transaction that took the row away,
-- struck off after the file is gone. A record that is named here is never adopted.
CREATE TABLE dropped_download (
  account TEXT NOT NULL,
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  scope TEXT NOT NULL,
  PRIMARY KEY (account, kind, id, scope)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER download_drop AFTER DELETE ON download BEGIN
  INSERT OR IGNORE INTO dropped_download (account, kind, id, scope) VALUES (old.account, old.kind, old.id, old.scope);
END;
CREATE TRIGGER download_want AFTER INSERT ON download BEGIN
  DELETE FROM dropped_download
    WHERE account = new.account AND kind = new.kind AND id = new.id AND scope = new.scope;
END;

-- setting 'complete' = 1: every blob file has its row, so a file without one may be deleted. A database that was made anew
-- beside blob files gets it after all of them were adopted or found damaged.
INSERT OR REPLACE INTO setting (name, value) SELECT 'complete', 1 WHERE EXISTS (SELECT 1 FROM blob);

-- This database can be rebuilt from the files in records/: docs/CACHE.md, "Recovery".

-- Removed downloads whose record may still be in records/. A row is added in the transaction that deletes the download,
-- and removed after the file is deleted. These records are not restored.
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

-- Setting 'complete' = 1: every blob file has a row, so that a file without a row may be deleted. A database created
-- beside existing blob files gets this setting after a complete sweep.
INSERT OR REPLACE INTO setting (name, value) SELECT 'complete', 1 WHERE EXISTS (SELECT 1 FROM blob);

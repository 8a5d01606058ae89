-- Signed manifests have a table of their own: they are long, and lists of downloads, the storage page and eviction read
-- every row of `version`, which now takes some hundred bytes instead of some thousand.
CREATE TABLE manifest (
  version INTEGER NOT NULL PRIMARY KEY REFERENCES version ON DELETE CASCADE,
  -- The signed manifest as it was received (JSON).
  signed TEXT NOT NULL
) STRICT;
INSERT INTO manifest (version, signed) SELECT version, signed FROM version;
ALTER TABLE version DROP COLUMN signed;

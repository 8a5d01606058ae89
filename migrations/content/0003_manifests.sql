-- Signed manifests have a table of their own because they are long: lists of downloads, the storage
-- page and eviction read every row of `version`, which now takes hundreds of bytes instead of
-- thousands.
CREATE TABLE manifest (
  version INTEGER NOT NULL PRIMARY KEY REFERENCES version ON DELETE CASCADE,
  -- The signed manifest as received (JSON).
  signed TEXT NOT NULL
) STRICT;
INSERT INTO manifest (version, signed) SELECT version, signed FROM version;
ALTER TABLE version DROP COLUMN signed;

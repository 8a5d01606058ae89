-- Moves signed manifests to a separate table, because they are long: lists of downloads, usage figures and eviction
-- read all rows of `version`.
CREATE TABLE manifest (
  version INTEGER NOT NULL PRIMARY KEY REFERENCES version ON DELETE CASCADE,
  -- The signed manifest as received (JSON).
  signed TEXT NOT NULL
) STRICT;
INSERT INTO manifest (version, signed) SELECT version, signed FROM version;
ALTER TABLE version DROP COLUMN signed;

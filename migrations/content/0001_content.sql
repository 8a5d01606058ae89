-- content.db: content on this device, shared by its learners and by several processes. Order of eviction:
-- docs/CACHE.md.

-- All blobs. A committed row always has its bytes: the file is renamed to its final name before the row is committed,
-- and deleted after the row.
CREATE TABLE blob (
  hash BLOB NOT NULL PRIMARY KEY,
  size INTEGER NOT NULL,
  -- 1: the bytes are in blob_body; 0: in blobs/ab/<hash>.
  inline INTEGER NOT NULL,
  -- 0 text, 1 image, 2 audio, 3 video, 4 other
  kind INTEGER NOT NULL,
  -- 0: prefetched, or needed only by an older version; 1: requested by a user or a download.
  origin INTEGER NOT NULL,
  used_ms INTEGER NOT NULL,
  -- When the bytes were last hashed.
  proved_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_used ON blob (origin, used_ms, hash);

-- Small bodies, in a separate table, so that queries of `blob` do not read them.
CREATE TABLE blob_body (
  hash BLOB NOT NULL PRIMARY KEY REFERENCES blob ON DELETE CASCADE,
  body BLOB NOT NULL
) STRICT;

-- Image variants created on this device. `hash` is NULL if the original is used as the variant.
CREATE TABLE derived (
  source BLOB NOT NULL,
  form TEXT NOT NULL,
  hash BLOB,
  PRIMARY KEY (source, form)
) STRICT, WITHOUT ROWID;
CREATE INDEX derived_hash ON derived (hash) WHERE hash IS NOT NULL;
CREATE TRIGGER derived_blob_delete AFTER DELETE ON blob BEGIN
  DELETE FROM derived WHERE source = old.hash;
  DELETE FROM derived WHERE hash = old.hash;
END;

-- Number and size of the blobs of each kind, so that the used space is known without reading `blob`.
CREATE TABLE tally (
  kind INTEGER NOT NULL PRIMARY KEY,
  blobs INTEGER NOT NULL,
  bytes INTEGER NOT NULL
) STRICT;
INSERT INTO tally (kind, blobs, bytes) VALUES (0, 0, 0), (1, 0, 0), (2, 0, 0), (3, 0, 0), (4, 0, 0);
CREATE TRIGGER blob_insert AFTER INSERT ON blob BEGIN
  UPDATE tally SET blobs = blobs + 1, bytes = bytes + new.size WHERE kind = new.kind;
END;
CREATE TRIGGER blob_delete AFTER DELETE ON blob BEGIN
  UPDATE tally SET blobs = blobs - 1, bytes = bytes - old.size WHERE kind = old.kind;
END;
CREATE TRIGGER blob_update AFTER UPDATE OF size, kind ON blob WHEN old.kind <> new.kind OR old.size <> new.size BEGIN
  UPDATE tally SET blobs = blobs - 1, bytes = bytes - old.size WHERE kind = old.kind;
  UPDATE tally SET blobs = blobs + 1, bytes = bytes + new.size WHERE kind = new.kind;
END;

-- Files to delete. A file is added in the transaction that deletes its row, and removed after the file is deleted.
CREATE TABLE doomed (
  hash BLOB NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- Partial files, <hash>.part, with their size when they were last closed.
CREATE TABLE part (
  hash BLOB NOT NULL PRIMARY KEY,
  bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Reserved disk space. A reservation expires at until_ms unless its process renews it.
CREATE TABLE reservation (
  reservation INTEGER NOT NULL PRIMARY KEY,
  bytes INTEGER NOT NULL,
  until_ms INTEGER NOT NULL
) STRICT;

-- Limits set on this device, in bytes (budget, floor), and marks of the database (0002_records).
CREATE TABLE setting (
  name TEXT NOT NULL PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Versions of courses, stories and lessons that a download requests or has.
CREATE TABLE version (
  version INTEGER NOT NULL PRIMARY KEY,
  -- Hash of the signed manifest text.
  hash BLOB NOT NULL,
  -- '': the whole course or story; else the lesson's item id.
  scope TEXT NOT NULL,
  -- Signing key: the same text signed with a different key is a separate row.
  signer TEXT NOT NULL,
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  files INTEGER NOT NULL,
  -- Total size, and size by kind.
  bytes INTEGER NOT NULL,
  text_bytes INTEGER NOT NULL,
  picture_bytes INTEGER NOT NULL,
  audio_bytes INTEGER NOT NULL,
  video_bytes INTEGER NOT NULL,
  other_bytes INTEGER NOT NULL,
  -- Number of pinned downloads that request or have the version. If above 0, its blobs are never evicted.
  pins INTEGER NOT NULL DEFAULT 0,
  -- The signed manifest as received (JSON).
  signed TEXT NOT NULL,
  UNIQUE (hash, scope, signer)
) STRICT;

-- The blobs of each version.
CREATE TABLE need (
  version INTEGER NOT NULL REFERENCES version ON DELETE CASCADE,
  hash BLOB NOT NULL,
  size INTEGER NOT NULL,
  -- As in blob.
  kind INTEGER NOT NULL,
  PRIMARY KEY (version, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX need_hash ON need (hash);

-- Courses, lessons and stories that were requested for offline use on this device.
CREATE TABLE download (
  account TEXT NOT NULL,
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  -- As in version.
  scope TEXT NOT NULL,
  -- queued, running, paused, ready, failed
  phase TEXT NOT NULL,
  reason TEXT NOT NULL,
  bytes_done INTEGER NOT NULL,
  bytes_total INTEGER NOT NULL,
  -- The version being fetched (NULL until it is known), and the version that is stored completely (NULL if none).
  wanted INTEGER REFERENCES version,
  ready INTEGER REFERENCES version,
  -- 1: requested by a learner; its blobs are never evicted.
  pinned INTEGER NOT NULL,
  requested_ms INTEGER NOT NULL,
  used_ms INTEGER NOT NULL,
  checked_ms INTEGER NOT NULL,
  PRIMARY KEY (account, kind, id, scope)
) STRICT;
CREATE INDEX download_wanted ON download (wanted) WHERE wanted IS NOT NULL;
CREATE INDEX download_ready ON download (ready) WHERE ready IS NOT NULL;

-- The triggers count the pinned downloads of each version, and delete a version that no download references.
CREATE TRIGGER download_insert AFTER INSERT ON download BEGIN
  UPDATE version SET pins = (
    SELECT count(*) FROM download d WHERE d.pinned = 1 AND (d.wanted = version.version OR d.ready = version.version)
  ) WHERE version IN (new.wanted, new.ready);
END;
CREATE TRIGGER download_update AFTER UPDATE OF wanted, ready, pinned ON download BEGIN
  UPDATE version SET pins = (
    SELECT count(*) FROM download d WHERE d.pinned = 1 AND (d.wanted = version.version OR d.ready = version.version)
  ) WHERE version IN (old.wanted, old.ready, new.wanted, new.ready);
  DELETE FROM version WHERE version IN (old.wanted, old.ready)
    AND NOT EXISTS (SELECT 1 FROM download d WHERE d.wanted = version.version OR d.ready = version.version);
END;
CREATE TRIGGER download_delete AFTER DELETE ON download BEGIN
  UPDATE version SET pins = (
    SELECT count(*) FROM download d WHERE d.pinned = 1 AND (d.wanted = version.version OR d.ready = version.version)
  ) WHERE version IN (old.wanted, old.ready);
  DELETE FROM version WHERE version IN (old.wanted, old.ready)
    AND NOT EXISTS (SELECT 1 FROM download d WHERE d.wanted = version.version OR d.ready = version.version);
END;
-- Blobs needed only by an older version are evicted first.
CREATE TRIGGER need_delete AFTER DELETE ON need BEGIN
  UPDATE blob SET origin = 0 WHERE hash = old.hash
    AND NOT EXISTS (SELECT 1 FROM need n WHERE n.hash = old.hash AND n.version <> old.version);
END;

-- Blobs of the open lesson and the next one, which are evicted last.
CREATE TABLE near (
  account TEXT NOT NULL,
  hash BLOB NOT NULL,
  PRIMARY KEY (account, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX near_hash ON near (hash);

-- The first signing key seen of each server.
CREATE TABLE signing_key (
  server TEXT NOT NULL PRIMARY KEY,
  key TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Signing keys that users accepted for imports, by account. They never replace the key of a server in signing_key.
CREATE TABLE accepted_key (
  account TEXT NOT NULL,
  key TEXT NOT NULL,
  server TEXT NOT NULL,
  server_name TEXT NOT NULL,
  accepted_ms INTEGER NOT NULL,
  PRIMARY KEY (account, key)
) STRICT, WITHOUT ROWID;

-- Imported content: the server it is from, and when that server last listed this version as the newest, according to
-- the exporting device.
CREATE TABLE carried (
  account TEXT NOT NULL,
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  -- Hash of the signed manifest text.
  version BLOB NOT NULL,
  server TEXT NOT NULL,
  server_name TEXT NOT NULL,
  as_of_ms INTEGER NOT NULL,
  taken_ms INTEGER NOT NULL,
  PRIMARY KEY (account, kind, id)
) STRICT, WITHOUT ROWID;

-- Search text of the sections and stories on this device.
CREATE TABLE page_text (
  rowid INTEGER PRIMARY KEY,
  account TEXT NOT NULL,
  root TEXT NOT NULL,
  item TEXT NOT NULL,
  kind TEXT NOT NULL,
  title TEXT NOT NULL,
  course_title TEXT NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (account, item)
) STRICT;
CREATE INDEX page_text_root ON page_text (account, root);
CREATE VIRTUAL TABLE page_words USING fts5(
  title, body, content = 'page_text', content_rowid = 'rowid', tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3'
);
CREATE TRIGGER page_text_insert AFTER INSERT ON page_text BEGIN
  INSERT INTO page_words (rowid, title, body) VALUES (new.rowid, new.title, new.body);
END;
CREATE TRIGGER page_text_delete AFTER DELETE ON page_text BEGIN
  INSERT INTO page_words (page_words, rowid, title, body) VALUES ('delete', old.rowid, old.title, old.body);
END;

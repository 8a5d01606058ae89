-- content.db: what is on this device, shared by all its learners and by several processes. Blobs can be fetched again; downloads say
-- what is wanted. docs/CACHE.md tells who is removed when.

-- The index of all blobs. A row without its bytes is never committed: the file is in its place before the row, and gone after it.
CREATE TABLE blob (
  hash BLOB NOT NULL PRIMARY KEY,
  size INTEGER NOT NULL,
  -- 1: the bytes lie in blob_body; 0: in blobs/ab/<hash>.
  inline INTEGER NOT NULL,
  -- 0 text, 1 picture, 2 audio, 3 video, 4 other
  kind INTEGER NOT NULL,
  -- 0: fetched ahead, or of an older version: nobody has asked for it yet; 1: somebody has.
  origin INTEGER NOT NULL,
  used_ms INTEGER NOT NULL,
  -- When the bytes were last hashed.
  proved_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_used ON blob (origin, used_ms, hash);

-- Small bodies, apart from the index: listing 50,000 blobs reads none of them.
CREATE TABLE blob_body (
  hash BLOB NOT NULL PRIMARY KEY REFERENCES blob ON DELETE CASCADE,
  body BLOB NOT NULL
) STRICT;

-- Variants of pictures that were made on this device. `hash` is NULL where the original itself is the answer.
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

-- Sums of blob, so that the budget is known without reading the index.
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

-- Files that are to be deleted: named in the transaction that took their rows away, struck off after the file is gone.
CREATE TABLE doomed (
  hash BLOB NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- Unfinished files, <hash>.part, as long as they were when they were last closed.
CREATE TABLE part (
  hash BLOB NOT NULL PRIMARY KEY,
  bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Space that was promised to a download that runs. What was not renewed until then counts no more: its process is gone.
CREATE TABLE reservation (
  reservation INTEGER NOT NULL PRIMARY KEY,
  bytes INTEGER NOT NULL,
  until_ms INTEGER NOT NULL
) STRICT;

-- Limits that this device's people chose, in bytes: budget, floor.
CREATE TABLE setting (
  name TEXT NOT NULL PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One version of a course or story, or of one of its lessons, that somebody wants or has: the roots of garbage collection.
CREATE TABLE version (
  version INTEGER NOT NULL PRIMARY KEY,
  -- The hash of the signed text.
  hash BLOB NOT NULL,
  -- '' the whole; else the lesson's item id.
  scope TEXT NOT NULL,
  -- Who signed it: the same text under another server's key is another row.
  signer TEXT NOT NULL,
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  files INTEGER NOT NULL,
  -- All of it, and by kind.
  bytes INTEGER NOT NULL,
  text_bytes INTEGER NOT NULL,
  picture_bytes INTEGER NOT NULL,
  audio_bytes INTEGER NOT NULL,
  video_bytes INTEGER NOT NULL,
  other_bytes INTEGER NOT NULL,
  -- Pinned downloads that want it or have it. Above 0: its blobs are never removed by themselves.
  pins INTEGER NOT NULL DEFAULT 0,
  -- The signed manifest as it came (JSON). Last, because it is long and rarely read.
  signed TEXT NOT NULL,
  UNIQUE (hash, scope, signer)
) STRICT;

-- What a version is made of.
CREATE TABLE need (
  version INTEGER NOT NULL REFERENCES version ON DELETE CASCADE,
  hash BLOB NOT NULL,
  size INTEGER NOT NULL,
  -- As in blob.
  kind INTEGER NOT NULL,
  PRIMARY KEY (version, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX need_hash ON need (hash);

-- One row for each course, lesson or story that a learner wanted on this device.
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
  -- The version that is being fetched (none before it is known), and the one whose bytes are all here (none yet).
  wanted INTEGER REFERENCES version,
  ready INTEGER REFERENCES version,
  -- 1: a learner wished it; it is never removed by itself.
  pinned INTEGER NOT NULL,
  requested_ms INTEGER NOT NULL,
  used_ms INTEGER NOT NULL,
  checked_ms INTEGER NOT NULL,
  PRIMARY KEY (account, kind, id, scope)
) STRICT;
CREATE INDEX download_wanted ON download (wanted) WHERE wanted IS NOT NULL;
CREATE INDEX download_ready ON download (ready) WHERE ready IS NOT NULL;

-- A version lives as long as a download names it, and knows how many pinned ones do.
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
-- What only an older version needed is the first to go.
CREATE TRIGGER need_delete AFTER DELETE ON need BEGIN
  UPDATE blob SET origin = 0 WHERE hash = old.hash
    AND NOT EXISTS (SELECT 1 FROM need n WHERE n.hash = old.hash AND n.version <> old.version);
END;

-- Blobs of the lesson that a learner is in, and of the next: removed last.
CREATE TABLE near (
  account TEXT NOT NULL,
  hash BLOB NOT NULL,
  PRIMARY KEY (account, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX near_hash ON near (hash);

-- The key that a server's manifests were first seen with.
CREATE TABLE signing_key (
  server TEXT NOT NULL PRIMARY KEY,
  key TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Keys of libraries that a person agreed to when a file came by cable: for this account, and never a server's own key.
CREATE TABLE accepted_key (
  account TEXT NOT NULL,
  key TEXT NOT NULL,
  server TEXT NOT NULL,
  server_name TEXT NOT NULL,
  accepted_ms INTEGER NOT NULL,
  PRIMARY KEY (account, key)
) STRICT, WITHOUT ROWID;

-- What came by cable: from which library, and when the one who sent it last knew it to be the newest version.
CREATE TABLE carried (
  account TEXT NOT NULL,
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  -- The hash of the signed text.
  version BLOB NOT NULL,
  server TEXT NOT NULL,
  server_name TEXT NOT NULL,
  as_of_ms INTEGER NOT NULL,
  taken_ms INTEGER NOT NULL,
  PRIMARY KEY (account, kind, id)
) STRICT, WITHOUT ROWID;

-- Text of sections and stories that are on this device.
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

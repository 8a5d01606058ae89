-- content.db: what is on this device, shared by all its learners. Blobs can be fetched again; downloads say what is wanted.
CREATE TABLE blob (
  hash BLOB NOT NULL PRIMARY KEY,
  size INTEGER NOT NULL,
  -- Small bodies lie here, larger ones in blobs/ab/<hash>.
  body BLOB,
  used_ms INTEGER NOT NULL
) STRICT;

-- One row for each course or story that a learner wanted on this device.
CREATE TABLE download (
  account TEXT NOT NULL,
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  -- queued, running, paused, ready, failed
  phase TEXT NOT NULL,
  reason TEXT NOT NULL,
  bytes_done INTEGER NOT NULL,
  bytes_total INTEGER NOT NULL,
  -- The signed manifest that is being fetched ('' before it is known), and the one whose bytes are all here ('' if none yet).
  wanted TEXT NOT NULL,
  ready TEXT NOT NULL,
  requested_ms INTEGER NOT NULL,
  checked_ms INTEGER NOT NULL,
  PRIMARY KEY (account, kind, id)
) STRICT;

-- The key that a server's manifests were first seen with.
CREATE TABLE signing_key (
  server TEXT NOT NULL PRIMARY KEY,
  key TEXT NOT NULL
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
CREATE VIRTUAL TABLE page_words USING fts5(
  title, body, content = 'page_text', content_rowid = 'rowid', tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3'
);
CREATE TRIGGER page_text_insert AFTER INSERT ON page_text BEGIN
  INSERT INTO page_words (rowid, title, body) VALUES (new.rowid, new.title, new.body);
END;
CREATE TRIGGER page_text_delete AFTER DELETE ON page_text BEGIN
  INSERT INTO page_words (page_words, rowid, title, body) VALUES ('delete', old.rowid, old.title, old.body);
END;

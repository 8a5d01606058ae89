-- Sync tables of a device: rows to send, rejected rows, accepted rows, pull cursor.

-- Keys of rows to send. A key is queued once, regardless of the number of changes. `rev` is the local revision of the
-- last change; an acknowledgement removes the key only if the revision that was sent is still the last one.
CREATE TABLE outbox (
    row_type TEXT NOT NULL,
    key TEXT NOT NULL,
    rev INTEGER NOT NULL,
    -- time of the first unsent change
    first_ms INTEGER NOT NULL,
    -- number of rejections because of a clock skew
    skews INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (row_type, key)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX outbox_rev ON outbox (rev);

-- Rows that the server rejected, with the reasons. The rows stay in their tables; a new local change queues a row
-- again.
CREATE TABLE quarantine (
    row_type TEXT NOT NULL,
    key TEXT NOT NULL,
    code TEXT NOT NULL,
    reason TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    -- release that sent the row; rows rejected as too new are sent again after an update
    app_version TEXT NOT NULL,
    PRIMARY KEY (row_type, key)
) STRICT, WITHOUT ROWID;

-- The newest accepted rows, for display.
CREATE TABLE receipt (
    row_type TEXT NOT NULL,
    key TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (row_type, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX receipt_at ON receipt (at_ms);

-- Rows that this release cannot read, or not in full, by the hash of their text. Read again after an update.
CREATE TABLE foreign_row (
    hash BLOB NOT NULL PRIMARY KEY,
    body TEXT NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A single row.
CREATE TABLE sync_state (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    -- id of the server database that `pulled` refers to; empty before the first contact
    epoch TEXT NOT NULL,
    -- change number of the server up to which rows have been pulled
    pulled INTEGER NOT NULL,
    -- the last local revision
    rev INTEGER NOT NULL,
    -- the greatest hybrid time written or received
    hlc INTEGER NOT NULL,
    -- added to the local clock to get the server's; 0 unless the server reported a skew
    clock_offset_ms INTEGER NOT NULL,
    -- when a push and a pull last succeeded; 0 for never
    last_ok_ms INTEGER NOT NULL,
    -- the last release that opened the file
    app_version TEXT NOT NULL
) STRICT;
INSERT INTO sync_state (id, epoch, pulled, rev, hlc, clock_offset_ms, last_ok_ms, app_version)
VALUES (1, '', 0, 0, 0, 0, 0, '');

-- For queries by item, day, quiz, word and newest position.
CREATE INDEX progress_item ON progress (item);
CREATE INDEX progress_pos ON progress (pos_hlc) WHERE pos_hlc > 0;
CREATE INDEX study_session_item ON study_session (item);
CREATE INDEX study_session_day ON study_session (day);
CREATE INDEX attempt_quiz ON attempt (quiz);
CREATE INDEX review_word ON review (word);

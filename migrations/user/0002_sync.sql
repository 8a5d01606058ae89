-- Sync tables of a device: rows to send, rejected rows, accepted rows, pull cursor.

-- A set of changed keys, not a log of requests: a key is queued once, however often its row changes. `rev` is the local
-- revision of the last change; an acknowledgement removes the key only if its revision is still the one that was sent.
CREATE TABLE outbox (
    row_type TEXT NOT NULL,
    key TEXT NOT NULL,
    rev INTEGER NOT NULL,
    -- time of the first unsent change
    first_ms INTEGER NOT NULL,
    -- how often the server rejected its stamp
    skews INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (row_type, key)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX outbox_rev ON outbox (rev);

-- Reasons for rows that the server rejected. The rows stay in their tables; a new local change queues a row again.
CREATE TABLE quarantine (
    row_type TEXT NOT NULL,
    key TEXT NOT NULL,
    code TEXT NOT NULL,
    reason TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    -- release that sent the row: rows that were too new are sent again after an update
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

-- Pulled rows that this release cannot read: stored unchanged, by the hash of their text, and read again after an
-- update.
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
    -- release that opened the file last
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

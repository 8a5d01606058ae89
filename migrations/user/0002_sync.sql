-- What a device keeps beside the learner's rows: what waits, what was refused, what was accepted, where the pull stands.

-- A set of dirty keys and not a log of requests: however often a row changes, it waits once. `rev` is the local revision of the last
-- change; an acknowledgement removes the key only if its revision is still the one that was sent.
CREATE TABLE outbox (
    row_type TEXT NOT NULL,
    key TEXT NOT NULL,
    rev INTEGER NOT NULL,
    -- since when it waits
    first_ms INTEGER NOT NULL,
    -- how often the server found its clock wrong
    skews INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (row_type, key)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX outbox_rev ON outbox (rev);

-- Rows that the server refused. They stay in their tables; here is why. A new local change gives a row another chance.
CREATE TABLE quarantine (
    row_type TEXT NOT NULL,
    key TEXT NOT NULL,
    code TEXT NOT NULL,
    reason TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    -- the release that sent it: rows that were too new are sent again after an update
    app_version TEXT NOT NULL,
    PRIMARY KEY (row_type, key)
) STRICT, WITHOUT ROWID;

-- The newest accepted rows, for people.
CREATE TABLE receipt (
    row_type TEXT NOT NULL,
    key TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (row_type, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX receipt_at ON receipt (at_ms);

-- Pulled rows that this release cannot read: kept as they came, by the hash of their text, and read again after an update.
CREATE TABLE foreign_row (
    hash BLOB NOT NULL PRIMARY KEY,
    body TEXT NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One row.
CREATE TABLE sync_state (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    -- the server's copy of the database that `pulled` belongs to; empty before the first contact
    epoch TEXT NOT NULL,
    -- rows up to this change number of the server are here
    pulled INTEGER NOT NULL,
    -- the last local revision
    rev INTEGER NOT NULL,
    -- the greatest hybrid time written or seen here
    hlc INTEGER NOT NULL,
    -- add this to the device's clock to get the server's; 0 unless the server complained
    clock_offset_ms INTEGER NOT NULL,
    -- when a push and a pull last succeeded; 0 for never
    last_ok_ms INTEGER NOT NULL,
    -- the release that last opened the file
    app_version TEXT NOT NULL
) STRICT;
INSERT INTO sync_state (id, epoch, pulled, rev, hlc, clock_offset_ms, last_ok_ms, app_version)
VALUES (1, '', 0, 0, 0, 0, 0, '');

-- For what the learner sees: by item, by day, by quiz, by word, by the newest place.
CREATE INDEX progress_item ON progress (item);
CREATE INDEX progress_pos ON progress (pos_hlc) WHERE pos_hlc > 0;
CREATE INDEX study_session_item ON study_session (item);
CREATE INDEX study_session_day ON study_session (day);
CREATE INDEX attempt_quiz ON attempt (quiz);
CREATE INDEX review_word ON review (word);

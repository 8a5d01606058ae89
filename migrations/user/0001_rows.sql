-- One learner's rows on a device: the lattices of carrel-model. Written by carrel_sqlite::rows::schema;
-- migrations/README.md has the rules.

CREATE TABLE progress (
    kind TEXT NOT NULL,
    item TEXT NOT NULL,
    generation INTEGER NOT NULL,
    percent INTEGER NOT NULL,
    pos_hlc INTEGER NOT NULL,
    pos_device BLOB NOT NULL,
    pos_at TEXT NOT NULL,
    done_ms INTEGER NOT NULL,
    extra TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (kind, item)
) STRICT, WITHOUT ROWID;

CREATE TABLE study_session (
    id BLOB NOT NULL,
    payload_hash BLOB NOT NULL,
    item TEXT NOT NULL,
    device BLOB NOT NULL,
    started_ms INTEGER NOT NULL,
    day TEXT NOT NULL,
    active_ms INTEGER NOT NULL,
    extra TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempt (
    id BLOB NOT NULL,
    payload_hash BLOB NOT NULL,
    quiz TEXT NOT NULL,
    quiz_hash BLOB NOT NULL,
    started_ms INTEGER NOT NULL,
    submitted_ms INTEGER NOT NULL,
    extra TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;

CREATE TABLE answer (
    attempt BLOB NOT NULL,
    question TEXT NOT NULL,
    seq INTEGER NOT NULL,
    value TEXT NOT NULL,
    extra TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (attempt, question)
) STRICT, WITHOUT ROWID;

CREATE TABLE grade (
    attempt BLOB NOT NULL,
    rev INTEGER NOT NULL,
    points INTEGER NOT NULL,
    max_points INTEGER NOT NULL,
    graded_ms INTEGER NOT NULL,
    extra TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (attempt)
) STRICT, WITHOUT ROWID;

CREATE TABLE review (
    id BLOB NOT NULL,
    payload_hash BLOB NOT NULL,
    word TEXT NOT NULL,
    rating INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    extra TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;

CREATE TABLE review_void (
    id BLOB NOT NULL,
    extra TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;

CREATE TABLE kv (
    ns TEXT NOT NULL,
    key TEXT NOT NULL,
    hlc INTEGER NOT NULL,
    device BLOB NOT NULL,
    value TEXT NOT NULL,
    extra TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (ns, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE decision (
    course TEXT NOT NULL,
    rev INTEGER NOT NULL,
    status TEXT NOT NULL,
    reason TEXT NOT NULL,
    extra TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (course)
) STRICT, WITHOUT ROWID;

CREATE TABLE note_revision (
    rev BLOB NOT NULL,
    payload_hash BLOB NOT NULL,
    note BLOB NOT NULL,
    base TEXT NOT NULL,
    hlc INTEGER NOT NULL,
    item TEXT NOT NULL,
    body TEXT NOT NULL,
    anchor TEXT NOT NULL,
    extra TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (rev)
) STRICT, WITHOUT ROWID;

CREATE TABLE note_life (
    note BLOB NOT NULL,
    deleted INTEGER NOT NULL,
    extra TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (note)
) STRICT, WITHOUT ROWID;

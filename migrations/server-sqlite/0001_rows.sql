-- All learners' rows: the lattices of carrel-model. Written by carrel_sqlite::rows::schema;
-- migrations/README.md has the rules.

CREATE TABLE progress (
    user_id BLOB NOT NULL,
    kind TEXT NOT NULL,
    item TEXT NOT NULL,
    generation INTEGER NOT NULL,
    percent INTEGER NOT NULL,
    pos_hlc INTEGER NOT NULL,
    pos_device BLOB NOT NULL,
    pos_at TEXT NOT NULL,
    done_ms INTEGER NOT NULL,
    extra TEXT NOT NULL DEFAULT '',
    usn INTEGER NOT NULL,
    PRIMARY KEY (user_id, kind, item)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX progress_usn ON progress (user_id, usn);

CREATE TABLE study_session (
    user_id BLOB NOT NULL,
    id BLOB NOT NULL,
    payload_hash BLOB NOT NULL,
    item TEXT NOT NULL,
    device BLOB NOT NULL,
    started_ms INTEGER NOT NULL,
    day TEXT NOT NULL,
    active_ms INTEGER NOT NULL,
    extra TEXT NOT NULL DEFAULT '',
    usn INTEGER NOT NULL,
    PRIMARY KEY (user_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX study_session_usn ON study_session (user_id, usn);

CREATE TABLE attempt (
    user_id BLOB NOT NULL,
    id BLOB NOT NULL,
    payload_hash BLOB NOT NULL,
    quiz TEXT NOT NULL,
    quiz_hash BLOB NOT NULL,
    started_ms INTEGER NOT NULL,
    submitted_ms INTEGER NOT NULL,
    extra TEXT NOT NULL DEFAULT '',
    usn INTEGER NOT NULL,
    PRIMARY KEY (user_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX attempt_usn ON attempt (user_id, usn);

CREATE TABLE answer (
    user_id BLOB NOT NULL,
    attempt BLOB NOT NULL,
    question TEXT NOT NULL,
    seq INTEGER NOT NULL,
    value TEXT NOT NULL,
    extra TEXT NOT NULL DEFAULT '',
    usn INTEGER NOT NULL,
    PRIMARY KEY (user_id, attempt, question)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX answer_usn ON answer (user_id, usn);

CREATE TABLE grade (
    user_id BLOB NOT NULL,
    attempt BLOB NOT NULL,
    rev INTEGER NOT NULL,
    points INTEGER NOT NULL,
    max_points INTEGER NOT NULL,
    graded_ms INTEGER NOT NULL,
    extra TEXT NOT NULL DEFAULT '',
    usn INTEGER NOT NULL,
    PRIMARY KEY (user_id, attempt)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX grade_usn ON grade (user_id, usn);

CREATE TABLE review (
    user_id BLOB NOT NULL,
    id BLOB NOT NULL,
    payload_hash BLOB NOT NULL,
    word TEXT NOT NULL,
    rating INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    extra TEXT NOT NULL DEFAULT '',
    usn INTEGER NOT NULL,
    PRIMARY KEY (user_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX review_usn ON review (user_id, usn);

CREATE TABLE review_void (
    user_id BLOB NOT NULL,
    id BLOB NOT NULL,
    extra TEXT NOT NULL DEFAULT '',
    usn INTEGER NOT NULL,
    PRIMARY KEY (user_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX review_void_usn ON review_void (user_id, usn);

CREATE TABLE kv (
    user_id BLOB NOT NULL,
    ns TEXT NOT NULL,
    key TEXT NOT NULL,
    hlc INTEGER NOT NULL,
    device BLOB NOT NULL,
    value TEXT NOT NULL,
    extra TEXT NOT NULL DEFAULT '',
    usn INTEGER NOT NULL,
    PRIMARY KEY (user_id, ns, key)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX kv_usn ON kv (user_id, usn);

CREATE TABLE decision (
    user_id BLOB NOT NULL,
    course TEXT NOT NULL,
    rev INTEGER NOT NULL,
    status TEXT NOT NULL,
    reason TEXT NOT NULL,
    extra TEXT NOT NULL DEFAULT '',
    usn INTEGER NOT NULL,
    PRIMARY KEY (user_id, course)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX decision_usn ON decision (user_id, usn);

CREATE TABLE note_revision (
    user_id BLOB NOT NULL,
    rev BLOB NOT NULL,
    payload_hash BLOB NOT NULL,
    note BLOB NOT NULL,
    base TEXT NOT NULL,
    hlc INTEGER NOT NULL,
    item TEXT NOT NULL,
    body TEXT NOT NULL,
    anchor TEXT NOT NULL,
    extra TEXT NOT NULL DEFAULT '',
    usn INTEGER NOT NULL,
    PRIMARY KEY (user_id, rev)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX note_revision_usn ON note_revision (user_id, usn);

CREATE TABLE note_life (
    user_id BLOB NOT NULL,
    note BLOB NOT NULL,
    deleted INTEGER NOT NULL,
    extra TEXT NOT NULL DEFAULT '',
    usn INTEGER NOT NULL,
    PRIMARY KEY (user_id, note)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX note_life_usn ON note_life (user_id, usn);

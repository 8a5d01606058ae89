-- Learners' rows: the lattices of carrel-model, with the columns of carrel_sqlite::rows::SPECS. Rules:
-- migrations/README.md.
--
-- Each change of a row gives it a new change number, which is indexed: no update is HOT. Pages keep some space for the
-- new versions, and dead versions are removed early.

CREATE TABLE progress (
    user_id bytea NOT NULL,
    kind text COLLATE "C" NOT NULL,
    item text COLLATE "C" NOT NULL,
    generation bigint NOT NULL,
    percent bigint NOT NULL,
    pos_hlc bigint NOT NULL,
    pos_device bytea NOT NULL,
    pos_at text COLLATE "C" NOT NULL,
    done_ms bigint NOT NULL,
    extra text COLLATE "C" NOT NULL DEFAULT '',
    usn bigint NOT NULL,
    PRIMARY KEY (user_id, kind, item)
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02);
CREATE UNIQUE INDEX progress_usn ON progress (user_id, usn);

CREATE TABLE study_session (
    user_id bytea NOT NULL,
    id bytea NOT NULL,
    payload_hash bytea NOT NULL,
    item text COLLATE "C" NOT NULL,
    device bytea NOT NULL,
    started_ms bigint NOT NULL,
    day text COLLATE "C" NOT NULL,
    off_min bigint NOT NULL,
    active_ms bigint NOT NULL,
    extra text COLLATE "C" NOT NULL DEFAULT '',
    usn bigint NOT NULL,
    PRIMARY KEY (user_id, id)
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02);
CREATE UNIQUE INDEX study_session_usn ON study_session (user_id, usn);

CREATE TABLE attempt (
    user_id bytea NOT NULL,
    id bytea NOT NULL,
    payload_hash bytea NOT NULL,
    quiz text COLLATE "C" NOT NULL,
    quiz_hash bytea NOT NULL,
    started_ms bigint NOT NULL,
    day bigint NOT NULL,
    off_min bigint NOT NULL,
    submitted_ms bigint NOT NULL,
    answers text COLLATE "C" NOT NULL,
    extra text COLLATE "C" NOT NULL DEFAULT '',
    usn bigint NOT NULL,
    PRIMARY KEY (user_id, id)
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02);
CREATE UNIQUE INDEX attempt_usn ON attempt (user_id, usn);

CREATE TABLE answer (
    user_id bytea NOT NULL,
    attempt bytea NOT NULL,
    question text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    value text COLLATE "C" NOT NULL,
    extra text COLLATE "C" NOT NULL DEFAULT '',
    usn bigint NOT NULL,
    PRIMARY KEY (user_id, attempt, question)
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02);
CREATE UNIQUE INDEX answer_usn ON answer (user_id, usn);

CREATE TABLE grade (
    user_id bytea NOT NULL,
    attempt bytea NOT NULL,
    rev bigint NOT NULL,
    points bigint NOT NULL,
    max_points bigint NOT NULL,
    graded_ms bigint NOT NULL,
    extra text COLLATE "C" NOT NULL DEFAULT '',
    usn bigint NOT NULL,
    PRIMARY KEY (user_id, attempt)
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02);
CREATE UNIQUE INDEX grade_usn ON grade (user_id, usn);

CREATE TABLE review (
    user_id bytea NOT NULL,
    id bytea NOT NULL,
    payload_hash bytea NOT NULL,
    word text COLLATE "C" NOT NULL,
    rating bigint NOT NULL,
    at_ms bigint NOT NULL,
    duration_ms bigint NOT NULL,
    day bigint NOT NULL,
    off_min bigint NOT NULL,
    kind text COLLATE "C" NOT NULL,
    card text COLLATE "C" NOT NULL,
    params text COLLATE "C" NOT NULL,
    extra text COLLATE "C" NOT NULL DEFAULT '',
    usn bigint NOT NULL,
    PRIMARY KEY (user_id, id)
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02);
CREATE UNIQUE INDEX review_usn ON review (user_id, usn);

CREATE TABLE review_void (
    user_id bytea NOT NULL,
    id bytea NOT NULL,
    extra text COLLATE "C" NOT NULL DEFAULT '',
    usn bigint NOT NULL,
    PRIMARY KEY (user_id, id)
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02);
CREATE UNIQUE INDEX review_void_usn ON review_void (user_id, usn);

CREATE TABLE kv (
    user_id bytea NOT NULL,
    ns text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    hlc bigint NOT NULL,
    device bytea NOT NULL,
    value text COLLATE "C" NOT NULL,
    extra text COLLATE "C" NOT NULL DEFAULT '',
    usn bigint NOT NULL,
    PRIMARY KEY (user_id, ns, key)
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02);
CREATE UNIQUE INDEX kv_usn ON kv (user_id, usn);

CREATE TABLE decision (
    user_id bytea NOT NULL,
    course text COLLATE "C" NOT NULL,
    rev bigint NOT NULL,
    status text COLLATE "C" NOT NULL,
    reason text COLLATE "C" NOT NULL,
    extra text COLLATE "C" NOT NULL DEFAULT '',
    usn bigint NOT NULL,
    PRIMARY KEY (user_id, course)
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02);
CREATE UNIQUE INDEX decision_usn ON decision (user_id, usn);

CREATE TABLE note_revision (
    user_id bytea NOT NULL,
    rev bytea NOT NULL,
    payload_hash bytea NOT NULL,
    note bytea NOT NULL,
    base text COLLATE "C" NOT NULL,
    hlc bigint NOT NULL,
    item text COLLATE "C" NOT NULL,
    body text COLLATE "C" NOT NULL,
    anchor text COLLATE "C" NOT NULL,
    extra text COLLATE "C" NOT NULL DEFAULT '',
    usn bigint NOT NULL,
    PRIMARY KEY (user_id, rev)
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02);
CREATE UNIQUE INDEX note_revision_usn ON note_revision (user_id, usn);

CREATE TABLE note_life (
    user_id bytea NOT NULL,
    note bytea NOT NULL,
    deleted bigint NOT NULL,
    extra text COLLATE "C" NOT NULL DEFAULT '',
    usn bigint NOT NULL,
    PRIMARY KEY (user_id, note)
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02);
CREATE UNIQUE INDEX note_life_usn ON note_life (user_id, usn);

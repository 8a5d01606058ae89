-- Stored figures of learners (carrel-analytics), from which reports of large groups are summed. They are computed again
-- from the learner's rows, never added to.

-- Learners whose stored figures lack rows, written in the transaction that changes the rows.
CREATE TABLE analytics_dirty (
    user_id BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    -- course or story of the rows; '': the figures of all courses are to be computed again
    course TEXT NOT NULL,
    -- when the first of the rows arrived; 0: not known
    since_ms INTEGER NOT NULL,
    PRIMARY KEY (user_id, course)
) STRICT, WITHOUT ROWID;
CREATE INDEX analytics_dirty_since ON analytics_dirty (since_ms);

CREATE TABLE analytics_course (
    user_id BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    course TEXT NOT NULL,
    -- JSON of CourseFigures, and of CourseDetail
    figures TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (user_id, course)
) STRICT, WITHOUT ROWID;
CREATE INDEX analytics_course_course ON analytics_course (course, user_id);

CREATE TABLE analytics_day (
    user_id BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    -- days since 1970-01-01
    day INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    sections INTEGER NOT NULL,
    lessons INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    scored INTEGER NOT NULL,
    score_sum INTEGER NOT NULL,
    -- when the figures last changed after the end of the day; 0: they did not
    changed_ms INTEGER NOT NULL,
    PRIMARY KEY (user_id, day)
) STRICT, WITHOUT ROWID;

-- Exports of reports; for seven days.
CREATE TABLE report_export (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    -- JSON of what it contains
    spec TEXT NOT NULL,
    names_learners INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'finished', 'failed', 'cancelled')),
    -- in percent
    progress INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    -- run that has the lease; empty: none
    worker TEXT NOT NULL,
    lease_until_ms INTEGER NOT NULL,
    pieces INTEGER NOT NULL,
    lines INTEGER NOT NULL,
    error TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX report_export_state ON report_export (state, lease_until_ms);
CREATE INDEX report_export_user ON report_export (user_id);
CREATE INDEX report_export_created ON report_export (created_ms);

-- The text of an export in order.
CREATE TABLE report_export_piece (
    export BLOB NOT NULL REFERENCES report_export (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (export, number)
) STRICT, WITHOUT ROWID;

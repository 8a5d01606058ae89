-- Uploads of packages, which are compiled to drafts; for 30 days. The file is in the folder `uploads`.
CREATE TABLE course_upload (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    -- name of the file, for messages
    name TEXT NOT NULL,
    notes TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'finished', 'failed', 'cancelled')),
    -- in percent
    progress INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    -- run that has the lease; empty: none
    worker TEXT NOT NULL,
    lease_until_ms INTEGER NOT NULL,
    -- id of the course; empty before the end
    course TEXT NOT NULL,
    -- JSON of the report; empty before the end
    report TEXT NOT NULL,
    error TEXT NOT NULL,
    hint TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX course_upload_state ON course_upload (state, lease_until_ms);
CREATE INDEX course_upload_user ON course_upload (user_id);

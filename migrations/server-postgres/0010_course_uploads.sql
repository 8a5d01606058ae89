-- Uploads of packages, which are compiled to drafts (migrations/server-sqlite/0020_course_uploads.sql).
CREATE TABLE course_upload (
    id bytea PRIMARY KEY,
    user_id bytea NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    name text COLLATE "C" NOT NULL,
    notes text COLLATE "C" NOT NULL,
    created_ms bigint NOT NULL,
    state text COLLATE "C" NOT NULL CHECK (state IN ('waiting', 'running', 'finished', 'failed', 'cancelled')),
    progress bigint NOT NULL,
    attempts bigint NOT NULL,
    worker text COLLATE "C" NOT NULL,
    lease_until_ms bigint NOT NULL,
    course text COLLATE "C" NOT NULL,
    report text COLLATE "C" NOT NULL,
    error text COLLATE "C" NOT NULL,
    hint text COLLATE "C" NOT NULL
);
CREATE INDEX course_upload_state ON course_upload (state, lease_until_ms);
CREATE INDEX course_upload_user ON course_upload (user_id);

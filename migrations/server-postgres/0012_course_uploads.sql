-- Uploads of packages, which are compiled to drafts (migrations/server-sqlite/0021_course_uploads.sql).
CREATE TABLE course_upload (
    tenant integer NOT NULL,
    id bytea NOT NULL,
    user_id bytea NOT NULL,
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
    hint text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, id),
    FOREIGN KEY (tenant, user_id) REFERENCES account (tenant, id) ON DELETE CASCADE
);
CALL restrict_to_tenant('course_upload');
CREATE INDEX course_upload_state ON course_upload (tenant, state, lease_until_ms);
CREATE INDEX course_upload_user ON course_upload (tenant, user_id);

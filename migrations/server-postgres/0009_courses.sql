-- Courses as staff see them (migrations/server-sqlite/0019_courses.sql).
CREATE TABLE course (
    id text COLLATE "C" PRIMARY KEY,
    title text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL CHECK (state IN ('draft', 'review', 'published', 'withdrawn', 'archived')),
    draft bytea NOT NULL,
    draft_state text COLLATE "C" NOT NULL CHECK (draft_state IN ('', 'draft', 'review')),
    owner bytea NOT NULL,
    for_classes boolean NOT NULL,
    enrolment text COLLATE "C" NOT NULL CHECK (enrolment IN ('open', 'code', 'approval', 'assigned')),
    changed_ms bigint NOT NULL
);
CREATE INDEX course_owner ON course (owner);
INSERT INTO course (id, title, state, draft, draft_state, owner, for_classes, enrolment, changed_ms)
    SELECT id, title, 'published', ''::bytea, '', ''::bytea, false, 'open', imported_ms
    FROM publication WHERE kind = 'course';

CREATE TABLE course_version (
    course text COLLATE "C" NOT NULL REFERENCES course (id) ON DELETE CASCADE,
    version bytea NOT NULL,
    manifest text COLLATE "C" NOT NULL,
    created_ms bigint NOT NULL,
    author bytea NOT NULL,
    notes text COLLATE "C" NOT NULL,
    published_ms bigint NOT NULL,
    PRIMARY KEY (course, version)
);
INSERT INTO course_version (course, version, manifest, created_ms, author, notes, published_ms)
    SELECT id, version, manifest, imported_ms, ''::bytea, '', imported_ms FROM publication WHERE kind = 'course';

CREATE TABLE course_version_blob (
    course text COLLATE "C" NOT NULL,
    version bytea NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (course, version, hash),
    FOREIGN KEY (course, version) REFERENCES course_version (course, version) ON DELETE CASCADE
);
CREATE INDEX course_version_blob_hash ON course_version_blob (hash);
INSERT INTO course_version_blob (course, version, hash)
    SELECT p.id, p.version, b.hash FROM publication p JOIN publication_blob b ON b.kind = p.kind AND b.id = p.id
    WHERE p.kind = 'course';

ALTER TABLE publication ADD COLUMN listing bigint NOT NULL DEFAULT 2;
ALTER TABLE blob ADD COLUMN is_open boolean NOT NULL DEFAULT true;

CREATE TABLE enrolment_request (
    course text COLLATE "C" NOT NULL,
    user_id bytea NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    stamp bigint NOT NULL,
    requested_ms bigint NOT NULL,
    status text COLLATE "C" NOT NULL CHECK (status IN ('pending', 'active', 'refused')),
    decided_ms bigint NOT NULL,
    PRIMARY KEY (course, user_id)
);
CREATE INDEX enrolment_request_user ON enrolment_request (user_id);

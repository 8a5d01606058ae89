-- Courses as staff see them (migrations/server-sqlite/0020_courses.sql).

-- Publications that are stored already belong to the data without a tenant's name.
SELECT set_config('carrel.tenant', '1', true);

CREATE TABLE course (
    tenant integer NOT NULL,
    id text COLLATE "C" NOT NULL,
    title text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL CHECK (state IN ('draft', 'review', 'published', 'withdrawn', 'archived')),
    draft bytea NOT NULL,
    draft_state text COLLATE "C" NOT NULL CHECK (draft_state IN ('', 'draft', 'review')),
    owner bytea NOT NULL,
    for_classes boolean NOT NULL,
    enrolment text COLLATE "C" NOT NULL CHECK (enrolment IN ('open', 'code', 'approval', 'assigned')),
    changed_ms bigint NOT NULL,
    PRIMARY KEY (tenant, id)
);
CALL restrict_to_tenant('course');
CREATE INDEX course_owner ON course (tenant, owner);
INSERT INTO course (id, title, state, draft, draft_state, owner, for_classes, enrolment, changed_ms)
    SELECT id, title, 'published', ''::bytea, '', ''::bytea, false, 'open', imported_ms
    FROM publication WHERE kind = 'course';

CREATE TABLE course_version (
    tenant integer NOT NULL,
    course text COLLATE "C" NOT NULL,
    version bytea NOT NULL,
    manifest text COLLATE "C" NOT NULL,
    created_ms bigint NOT NULL,
    author bytea NOT NULL,
    notes text COLLATE "C" NOT NULL,
    published_ms bigint NOT NULL,
    PRIMARY KEY (tenant, course, version),
    FOREIGN KEY (tenant, course) REFERENCES course (tenant, id) ON DELETE CASCADE
);
CALL restrict_to_tenant('course_version');
INSERT INTO course_version (course, version, manifest, created_ms, author, notes, published_ms)
    SELECT id, version, manifest, imported_ms, ''::bytea, '', imported_ms FROM publication WHERE kind = 'course';

CREATE TABLE course_version_blob (
    tenant integer NOT NULL,
    course text COLLATE "C" NOT NULL,
    version bytea NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (tenant, course, version, hash),
    FOREIGN KEY (tenant, course, version) REFERENCES course_version (tenant, course, version) ON DELETE CASCADE
);
CALL restrict_to_tenant('course_version_blob');
CREATE INDEX course_version_blob_hash ON course_version_blob (tenant, hash);
INSERT INTO course_version_blob (course, version, hash)
    SELECT p.id, p.version, b.hash FROM publication p JOIN publication_blob b ON b.kind = p.kind AND b.id = p.id
    WHERE p.kind = 'course';

ALTER TABLE publication ADD COLUMN listing bigint NOT NULL DEFAULT 2;
ALTER TABLE blob ADD COLUMN is_open boolean NOT NULL DEFAULT true;

CREATE TABLE enrolment_request (
    tenant integer NOT NULL,
    course text COLLATE "C" NOT NULL,
    user_id bytea NOT NULL,
    stamp bigint NOT NULL,
    requested_ms bigint NOT NULL,
    status text COLLATE "C" NOT NULL CHECK (status IN ('pending', 'active', 'refused')),
    decided_ms bigint NOT NULL,
    PRIMARY KEY (tenant, course, user_id),
    FOREIGN KEY (tenant, user_id) REFERENCES account (tenant, id) ON DELETE CASCADE
);
CALL restrict_to_tenant('enrolment_request');
CREATE INDEX enrolment_request_user ON enrolment_request (tenant, user_id);

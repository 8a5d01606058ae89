-- Courses as staff see them: state, owner, visibility, enrolment policy, and versions. `publication` contains what
-- readers get: the version that was published last.
CREATE TABLE course (
    id TEXT NOT NULL PRIMARY KEY,
    title TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('draft', 'review', 'published', 'withdrawn', 'archived')),
    -- version that was not published yet; empty: none
    draft BLOB NOT NULL,
    draft_state TEXT NOT NULL CHECK (draft_state IN ('', 'draft', 'review')),
    -- account; empty: none
    owner BLOB NOT NULL,
    -- 1: only for the classes that have it
    for_classes INTEGER NOT NULL CHECK (for_classes IN (0, 1)),
    enrolment TEXT NOT NULL CHECK (enrolment IN ('open', 'code', 'approval', 'assigned')),
    changed_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX course_owner ON course (owner);
INSERT INTO course (id, title, state, draft, draft_state, owner, for_classes, enrolment, changed_ms)
    SELECT id, title, 'published', x'', '', x'', 0, 'open', imported_ms FROM publication WHERE kind = 'course';

CREATE TABLE course_version (
    course TEXT NOT NULL REFERENCES course (id) ON DELETE CASCADE,
    version BLOB NOT NULL,
    -- JSON of the signed manifest; empty if the content is no longer kept
    manifest TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    -- account; empty: the operator of the server
    author BLOB NOT NULL,
    notes TEXT NOT NULL,
    -- when it was last published; 0: never
    published_ms INTEGER NOT NULL,
    PRIMARY KEY (course, version)
) STRICT, WITHOUT ROWID;
INSERT INTO course_version (course, version, manifest, created_ms, author, notes, published_ms)
    SELECT id, version, manifest, imported_ms, x'', '', imported_ms FROM publication WHERE kind = 'course';

-- The blobs of the versions whose content is kept.
CREATE TABLE course_version_blob (
    course TEXT NOT NULL,
    version BLOB NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (course, version, hash),
    FOREIGN KEY (course, version) REFERENCES course_version (course, version) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX course_version_blob_hash ON course_version_blob (hash);
INSERT INTO course_version_blob (course, version, hash)
    SELECT p.id, p.version, b.hash FROM publication p JOIN publication_blob b ON b.kind = p.kind AND b.id = p.id
    WHERE p.kind = 'course';

-- Who finds it in lists and searches: 0: nobody, 1: the classes that have it, 2: everybody.
ALTER TABLE publication ADD COLUMN listing INTEGER NOT NULL DEFAULT 2;
DROP INDEX publication_rank;
CREATE INDEX publication_rank
    ON publication (kind, learners DESC, imported_ms DESC, id, difficulty, category, lang, level, hours, listing);
-- Whether a blob without a publication is served to everybody; 0: it was never published for everybody.
ALTER TABLE blob ADD COLUMN is_open INTEGER NOT NULL DEFAULT 1;

-- Requests for enrolment in courses with the policy 'approval'. The decision that devices get is in `decision`.
CREATE TABLE enrolment_request (
    course TEXT NOT NULL,
    user_id BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    -- stamp of the request, by which a repeated one is recognised
    stamp INTEGER NOT NULL,
    requested_ms INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('pending', 'active', 'refused')),
    decided_ms INTEGER NOT NULL,
    PRIMARY KEY (course, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX enrolment_request_user ON enrolment_request (user_id);

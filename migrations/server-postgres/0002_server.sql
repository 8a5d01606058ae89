-- Tables of the server other than learners' rows. They have the columns of migrations/server-sqlite, with these
-- differences: `learner` contains what changes with each push, so that the wide row of the account does not, and the
-- search index is a column.

CREATE TABLE server_fact (
    name text COLLATE "C" PRIMARY KEY,
    value text COLLATE "C" NOT NULL
);

CREATE TABLE account (
    id bytea PRIMARY KEY,
    login text COLLATE "C" NOT NULL,
    login_key text COLLATE "C" NOT NULL UNIQUE,
    login_skeleton text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    role text COLLATE "C" NOT NULL CHECK (role IN ('student', 'instructor', 'administrator')),
    password text COLLATE "C" NOT NULL,
    created_ms bigint NOT NULL,
    sign_ins_from_ms bigint NOT NULL DEFAULT 0
);
CREATE INDEX account_skeleton ON account (login_skeleton);

-- The learner's last change number, and number and size of the learner's rows. The transaction that changes rows locks
-- this row first.
CREATE TABLE learner (
    user_id bytea PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    usn bigint NOT NULL DEFAULT 0,
    row_count bigint NOT NULL DEFAULT 0,
    row_bytes bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

CREATE TABLE adopted_account (
    id bytea PRIMARY KEY,
    user_id bytea NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    signs_in boolean NOT NULL,
    adopted_ms bigint NOT NULL
);
CREATE INDEX adopted_account_user ON adopted_account (user_id);

CREATE TABLE sign_in (
    id bytea PRIMARY KEY,
    user_id bytea NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    device bytea NOT NULL,
    device_name text COLLATE "C" NOT NULL,
    created_ms bigint NOT NULL,
    expires_ms bigint NOT NULL,
    ended_ms bigint NOT NULL DEFAULT 0,
    redeemed_floor bigint NOT NULL DEFAULT 0
);
CREATE INDEX sign_in_user ON sign_in (user_id);
CREATE INDEX sign_in_expires ON sign_in (expires_ms);

CREATE TABLE sign_in_branch (
    sign_in bytea NOT NULL REFERENCES sign_in (id) ON DELETE CASCADE,
    branch bigint NOT NULL,
    redeemed bigint NOT NULL,
    redeemed_ms bigint NOT NULL,
    PRIMARY KEY (sign_in, branch)
);

CREATE TABLE token (
    hash bytea PRIMARY KEY,
    sign_in bytea NOT NULL REFERENCES sign_in (id) ON DELETE CASCADE,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('access', 'refresh')),
    generation bigint NOT NULL,
    expires_ms bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX token_sign_in ON token (sign_in, expires_ms);

CREATE TABLE publication (
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('course', 'story')),
    id text COLLATE "C" NOT NULL,
    title text COLLATE "C" NOT NULL,
    lang text COLLATE "C" NOT NULL,
    category text COLLATE "C" NOT NULL,
    difficulty text COLLATE "C" NOT NULL,
    level bigint NOT NULL,
    summary text COLLATE "C" NOT NULL,
    reply text COLLATE "C" NOT NULL,
    manifest text COLLATE "C" NOT NULL,
    version bytea NOT NULL,
    imported_ms bigint NOT NULL,
    rendered_by text COLLATE "C" NOT NULL,
    PRIMARY KEY (kind, id)
);
-- lower() with the collation "C" changes ASCII letters only, as NOCASE in SQLite does.
CREATE INDEX publication_title ON publication (kind, lower(title), id);

CREATE TABLE blob (
    hash bytea PRIMARY KEY,
    size bigint NOT NULL,
    media_type text COLLATE "C" NOT NULL,
    unused_since_ms bigint NOT NULL DEFAULT 0
);

CREATE TABLE publication_blob (
    kind text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (kind, id, hash)
);
CREATE INDEX publication_blob_hash ON publication_blob (hash);

CREATE TABLE quiz (
    hash bytea NOT NULL,
    item text COLLATE "C" NOT NULL,
    body text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    PRIMARY KEY (hash, item)
);
CREATE INDEX quiz_item ON quiz (item, revision);

-- `terms` and `title_terms` are the terms of carrel_model::text::index_terms, each with a space on both sides: a phrase
-- is a part of the text. `lexemes` is the set of these terms, for the index.
CREATE TABLE passage (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    root_kind text COLLATE "C" NOT NULL,
    root text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    item text COLLATE "C" NOT NULL,
    lang text COLLATE "C" NOT NULL,
    title text COLLATE "C" NOT NULL,
    text text COLLATE "C" NOT NULL,
    title_terms text COLLATE "C" NOT NULL,
    text_terms text COLLATE "C" NOT NULL,
    lexemes tsvector NOT NULL
);
CREATE INDEX passage_root ON passage (root_kind, root);
CREATE INDEX passage_lexemes ON passage USING gin (lexemes);

CREATE TABLE job (
    name text COLLATE "C" PRIMARY KEY,
    due_ms bigint NOT NULL,
    attempts bigint NOT NULL,
    worker text COLLATE "C" NOT NULL,
    lease_until_ms bigint NOT NULL,
    started_ms bigint NOT NULL,
    succeeded_ms bigint NOT NULL,
    error text COLLATE "C" NOT NULL
) WITH (fillfactor = 70);

CREATE TABLE graded_attempt (
    user_id bytea NOT NULL,
    quiz text COLLATE "C" NOT NULL,
    attempt bytea NOT NULL,
    PRIMARY KEY (user_id, quiz, attempt)
);

CREATE TABLE open_grade (
    user_id bytea NOT NULL,
    attempt bytea NOT NULL,
    first_ms bigint NOT NULL,
    points text COLLATE "C" NOT NULL,
    PRIMARY KEY (user_id, attempt)
);
CREATE INDEX open_grade_first ON open_grade (first_ms);

CREATE TABLE enrolment_token (
    name text COLLATE "C" PRIMARY KEY,
    hash bytea NOT NULL UNIQUE,
    created_ms bigint NOT NULL,
    expires_ms bigint NOT NULL,
    max_uses bigint NOT NULL,
    revoked_ms bigint NOT NULL,
    courses text COLLATE "C" NOT NULL
);

CREATE TABLE enrolment_token_use (
    token text COLLATE "C" NOT NULL REFERENCES enrolment_token (name) ON DELETE CASCADE,
    user_id bytea NOT NULL,
    used_ms bigint NOT NULL,
    registered boolean NOT NULL,
    PRIMARY KEY (token, user_id)
);

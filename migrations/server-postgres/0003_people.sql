-- People and classes of a school (docs/ROSTERS.md), the imports that can be undone, and the audit log: the tables of
-- migrations/server-sqlite/0013_people.sql.

CREATE TABLE person (
    user_id bytea PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    source_id text COLLATE "C" NOT NULL DEFAULT '',
    given text COLLATE "C" NOT NULL DEFAULT '',
    family text COLLATE "C" NOT NULL DEFAULT '',
    lang text COLLATE "C" NOT NULL DEFAULT '',
    state text COLLATE "C" NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'suspended', 'left')),
    disabled boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX person_source ON person (source_id) WHERE source_id <> '';
INSERT INTO person (user_id, disabled) SELECT id, true FROM account WHERE password = '';
CREATE INDEX account_administrator ON account (id) WHERE role = 'administrator';

CREATE TABLE class (
    id bytea PRIMARY KEY,
    source_id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    name_key text COLLATE "C" NOT NULL,
    courses text COLLATE "C" NOT NULL,
    archived boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX class_source ON class (source_id) WHERE source_id <> '';
CREATE INDEX class_name ON class (name_key);

CREATE TABLE membership (
    class bytea NOT NULL REFERENCES class (id) ON DELETE CASCADE,
    user_id bytea NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    role text COLLATE "C" NOT NULL CHECK (role IN ('student', 'instructor')),
    PRIMARY KEY (class, user_id, role)
);
CREATE INDEX membership_user ON membership (user_id);

CREATE TABLE roster_import (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    actor bytea NOT NULL,
    name text COLLATE "C" NOT NULL,
    created_ms bigint NOT NULL,
    undone_ms bigint NOT NULL DEFAULT 0
);

CREATE TABLE roster_change (
    import bigint NOT NULL REFERENCES roster_import (id) ON DELETE CASCADE,
    number bigint NOT NULL,
    reverse text COLLATE "C" NOT NULL,
    PRIMARY KEY (import, number)
);

CREATE TABLE audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_ms bigint NOT NULL,
    actor bytea NOT NULL,
    action text COLLATE "C" NOT NULL,
    subject bytea NOT NULL,
    detail text COLLATE "C" NOT NULL
);
CREATE INDEX audit_subject ON audit (subject, id);

-- People and classes of a school (docs/ROSTERS.md), the imports that can be undone, and the audit log.

-- What a roster or an administrator states about an account. An account without a row is active.
CREATE TABLE person (
    user_id BLOB NOT NULL PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    -- id in the program of the school; '': none
    source_id TEXT NOT NULL DEFAULT '',
    given TEXT NOT NULL DEFAULT '',
    family TEXT NOT NULL DEFAULT '',
    -- language tag; '': unknown
    lang TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'suspended', 'left')),
    -- 1: disabled by an administrator, which imports do not change
    disabled INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX person_source ON person (source_id) WHERE source_id <> '';
INSERT INTO person (user_id, disabled) SELECT id, 1 FROM account WHERE password = '';
CREATE INDEX account_administrator ON account (id) WHERE role = 'administrator';

CREATE TABLE class (
    id BLOB NOT NULL PRIMARY KEY,
    source_id TEXT NOT NULL,
    name TEXT NOT NULL,
    -- key by which names are compared
    name_key TEXT NOT NULL,
    -- JSON array of ids of courses
    courses TEXT NOT NULL,
    archived INTEGER NOT NULL DEFAULT 0 CHECK (archived IN (0, 1))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX class_source ON class (source_id) WHERE source_id <> '';
CREATE INDEX class_name ON class (name_key);

-- A person can have several roles in a class.
CREATE TABLE membership (
    class BLOB NOT NULL REFERENCES class (id) ON DELETE CASCADE,
    user_id BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    role TEXT NOT NULL CHECK (role IN ('student', 'instructor')),
    PRIMARY KEY (class, user_id, role)
) STRICT, WITHOUT ROWID;
CREATE INDEX membership_user ON membership (user_id);

CREATE TABLE roster_import (
    id INTEGER NOT NULL PRIMARY KEY,
    -- account that imported; empty: the operator of the server
    actor BLOB NOT NULL,
    -- name of the file
    name TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    -- 0: not undone
    undone_ms INTEGER NOT NULL DEFAULT 0
) STRICT;
-- The reverse of each change, for 30 days.
CREATE TABLE roster_change (
    import INTEGER NOT NULL REFERENCES roster_import (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    -- JSON of an action of carrel-roster
    reverse TEXT NOT NULL,
    PRIMARY KEY (import, number)
) STRICT, WITHOUT ROWID;

-- What staff and the operator changed, written in the transaction of the change.
CREATE TABLE audit (
    id INTEGER NOT NULL PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    -- account; empty: the operator of the server
    actor BLOB NOT NULL,
    -- such as 'roster.import' or 'person.suspend'
    action TEXT NOT NULL,
    -- id of the account or class; empty: none
    subject BLOB NOT NULL,
    -- JSON object
    detail TEXT NOT NULL
) STRICT;
CREATE INDEX audit_subject ON audit (subject, id);

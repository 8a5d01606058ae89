-- Tokens with which people register, also if registration is closed, and are enrolled in courses. The text of a token is
-- not stored.
CREATE TABLE enrolment_token (
    -- given by the administrator, for the list and the log
    name TEXT NOT NULL PRIMARY KEY,
    -- BLAKE3 of the text
    hash BLOB NOT NULL UNIQUE,
    created_ms INTEGER NOT NULL,
    -- 9223372036854775807: does not expire
    expires_ms INTEGER NOT NULL,
    -- number of accounts that may use it; 9223372036854775807: no limit
    max_uses INTEGER NOT NULL,
    -- 0: not revoked
    revoked_ms INTEGER NOT NULL DEFAULT 0,
    -- JSON array of ids of courses
    courses TEXT NOT NULL
) STRICT, WITHOUT ROWID;
-- An account uses a token once; repeating it changes nothing.
CREATE TABLE enrolment_token_use (
    token TEXT NOT NULL REFERENCES enrolment_token (name) ON DELETE CASCADE,
    user BLOB NOT NULL,
    used_ms INTEGER NOT NULL,
    -- 1: the account was created with the token
    registered INTEGER NOT NULL,
    PRIMARY KEY (token, user)
) STRICT, WITHOUT ROWID;

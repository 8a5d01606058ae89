-- Messages to send, written in the transaction of their cause, and codes with which people set a password.

-- Kept for 30 days. A row contains no secret: the code of its link is derived from its id with the server's key.
CREATE TABLE mail (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('reset', 'invitation')),
    -- of the account at the time of the cause
    address TEXT NOT NULL,
    -- language tag of the reader
    lang TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    -- time of the next attempt
    due_ms INTEGER NOT NULL,
    -- from then on it is not sent any more
    deadline_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'refused', 'expired')),
    -- of the last attempt; empty: none
    error TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX mail_due ON mail (due_ms) WHERE state = 'waiting';
CREATE INDEX mail_created ON mail (created_ms);
CREATE INDEX mail_user ON mail (user_id);

-- Codes of links in messages. They do not sign in, so they are apart from one_time_code: a message that anybody can
-- cause does not replace a code on paper.
CREATE TABLE password_code (
    user_id BLOB NOT NULL PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    -- keyed hash of account and code
    hash BLOB NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One-time codes with which people sign in, and ids of deleted accounts.

CREATE TABLE one_time_code (
    user_id BLOB NOT NULL PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    -- keyed hash of account and code
    hash BLOB NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Devices of a deleted account cannot recreate it with its certificate.
CREATE TABLE deleted_account (
    id BLOB NOT NULL PRIMARY KEY,
    deleted_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

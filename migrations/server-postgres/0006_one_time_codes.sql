-- One-time codes with which people sign in, and ids of deleted accounts.

CREATE TABLE one_time_code (
    user_id bytea PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    hash bytea NOT NULL,
    expires_ms bigint NOT NULL
);

CREATE TABLE deleted_account (
    id bytea PRIMARY KEY,
    deleted_ms bigint NOT NULL
);

-- Messages to send, and codes with which people set a password (migrations/server-sqlite/0023_mail.sql).
CREATE TABLE mail (
    tenant integer NOT NULL,
    id bytea NOT NULL,
    user_id bytea NOT NULL,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('reset', 'invitation')),
    address text COLLATE "C" NOT NULL,
    lang text COLLATE "C" NOT NULL,
    created_ms bigint NOT NULL,
    due_ms bigint NOT NULL,
    deadline_ms bigint NOT NULL,
    attempts bigint NOT NULL,
    state text COLLATE "C" NOT NULL CHECK (state IN ('waiting', 'sent', 'refused', 'expired')),
    error text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, id),
    FOREIGN KEY (tenant, user_id) REFERENCES account (tenant, id) ON DELETE CASCADE
);
CALL restrict_to_tenant('mail');
CREATE INDEX mail_due ON mail (tenant, due_ms) WHERE state = 'waiting';
CREATE INDEX mail_created ON mail (tenant, created_ms);
CREATE INDEX mail_user ON mail (tenant, user_id);

CREATE TABLE password_code (
    tenant integer NOT NULL,
    user_id bytea NOT NULL,
    hash bytea NOT NULL,
    expires_ms bigint NOT NULL,
    PRIMARY KEY (tenant, user_id),
    FOREIGN KEY (tenant, user_id) REFERENCES account (tenant, id) ON DELETE CASCADE
);
CALL restrict_to_tenant('password_code');

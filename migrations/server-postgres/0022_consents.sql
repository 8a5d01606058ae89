-- Consents of persons, and their withdrawals (migrations/server-sqlite/0027_consents.sql).
CREATE TABLE consent (
    tenant integer NOT NULL,
    user_id bytea NOT NULL,
    number bigint NOT NULL,
    kind text COLLATE "C" NOT NULL,
    version text COLLATE "C" NOT NULL,
    given boolean NOT NULL,
    given_by text COLLATE "C" NOT NULL,
    recorded_by bytea NOT NULL,
    at_ms bigint NOT NULL,
    PRIMARY KEY (tenant, user_id, number),
    FOREIGN KEY (tenant, user_id) REFERENCES account (tenant, id) ON DELETE CASCADE
);
CALL restrict_to_tenant('consent');

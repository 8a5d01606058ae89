-- Counts of sign-ins, registrations, codes and uploads, shared by the processes of a database. They need not survive a
-- crash.
CREATE UNLOGGED TABLE rate_limit (
    tenant integer NOT NULL,
    name text COLLATE "C" NOT NULL,
    -- Hash of the login, network or account.
    key bytea NOT NULL,
    -- Time at which the burst is full again.
    full_at_ms bigint NOT NULL,
    PRIMARY KEY (tenant, name, key)
);
CALL restrict_to_tenant('rate_limit');
CREATE INDEX rate_limit_full_at ON rate_limit (tenant, full_at_ms);

-- Sign-in with an identity provider: sign-ins that have begun, codes for the app, and who is linked to which person.

CREATE TABLE external_flow (
    tenant integer NOT NULL,
    state bytea NOT NULL,
    browser bytea NOT NULL,
    nonce text COLLATE "C" NOT NULL,
    verifier text COLLATE "C" NOT NULL,
    challenge text COLLATE "C" NOT NULL,
    device bytea NOT NULL,
    expires_ms bigint NOT NULL,
    PRIMARY KEY (tenant, state)
);
CALL restrict_to_tenant('external_flow');

CREATE TABLE external_code (
    tenant integer NOT NULL,
    hash bytea NOT NULL,
    user_id bytea NOT NULL,
    challenge text COLLATE "C" NOT NULL,
    device bytea NOT NULL,
    expires_ms bigint NOT NULL,
    PRIMARY KEY (tenant, hash),
    FOREIGN KEY (tenant, user_id) REFERENCES account (tenant, id) ON DELETE CASCADE
);
CALL restrict_to_tenant('external_code');

-- Kept when the account is deleted, without the texts: who was deleted does not get a new account.
CREATE TABLE external_identity (
    tenant integer NOT NULL,
    key bytea NOT NULL,
    user_id bytea NOT NULL,
    issuer text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    linked_ms bigint NOT NULL,
    PRIMARY KEY (tenant, key)
);
CALL restrict_to_tenant('external_identity');
CREATE INDEX external_identity_by_user ON external_identity (tenant, user_id);

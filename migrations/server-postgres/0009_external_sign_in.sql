-- Sign-in with an identity provider: sign-ins that have begun, codes for the app, and who is linked to which person.

CREATE TABLE external_flow (
    state bytea PRIMARY KEY,
    browser bytea NOT NULL,
    nonce text NOT NULL,
    verifier text NOT NULL,
    challenge text NOT NULL,
    device bytea NOT NULL,
    expires_ms bigint NOT NULL
);

CREATE TABLE external_code (
    hash bytea PRIMARY KEY,
    user_id bytea NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    challenge text NOT NULL,
    device bytea NOT NULL,
    expires_ms bigint NOT NULL
);

-- Kept when the account is deleted, without the texts: who was deleted does not get a new account.
CREATE TABLE external_identity (
    key bytea PRIMARY KEY,
    user_id bytea NOT NULL,
    issuer text NOT NULL,
    subject text NOT NULL,
    linked_ms bigint NOT NULL
);

CREATE INDEX external_identity_by_user ON external_identity (user_id);

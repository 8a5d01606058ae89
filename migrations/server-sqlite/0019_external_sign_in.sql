-- Sign-in with an identity provider: sign-ins that have begun, codes for the app, and who is linked to which person.

CREATE TABLE external_flow (
    -- hash of the state that the provider returns
    state BLOB NOT NULL PRIMARY KEY,
    -- hash of the cookie of the browser
    browser BLOB NOT NULL,
    nonce TEXT NOT NULL,
    verifier TEXT NOT NULL,
    -- PKCE challenge of the app
    challenge TEXT NOT NULL,
    device BLOB NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE external_code (
    hash BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    challenge TEXT NOT NULL,
    device BLOB NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Kept when the account is deleted, without the texts: who was deleted does not get a new account.
CREATE TABLE external_identity (
    -- hash of issuer and subject
    key BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    linked_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX external_identity_by_user ON external_identity (user_id);

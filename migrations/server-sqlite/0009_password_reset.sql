-- No refresh token issued before this time (ms) is valid: the password was set then, which ended all sign-ins. Needed for
-- sign-ins that a restored database lacks; rows of other sign-ins have ended_ms.
ALTER TABLE account ADD COLUMN sign_ins_from_ms INTEGER NOT NULL DEFAULT 0;

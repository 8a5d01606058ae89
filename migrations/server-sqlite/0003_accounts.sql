-- Sign-ins that stay valid after the restore of an older backup, comparison of logins by PRECIS, and adopted accounts.

-- Equal for logins that look alike (UTS 39). Set together with the PRECIS login keys when the server opens the
-- database.
ALTER TABLE account ADD COLUMN login_skeleton TEXT NOT NULL DEFAULT '';
CREATE INDEX account_skeleton ON account (login_skeleton);

-- Expiry of the last refresh token of the sign-in. The row is deleted afterwards.
ALTER TABLE sign_in ADD COLUMN expires_ms INTEGER NOT NULL DEFAULT 0;
-- Time at which the sign-in was ended; 0: not ended. The row is kept until its refresh tokens expire, because their MAC
-- stays valid.
ALTER TABLE sign_in ADD COLUMN ended_ms INTEGER NOT NULL DEFAULT 0;
-- Generations up to this one count as redeemed in every branch without a row in sign_in_branch.
ALTER TABLE sign_in ADD COLUMN redeemed_floor INTEGER NOT NULL DEFAULT 0;
UPDATE sign_in SET expires_ms = coalesce((SELECT max(t.expires_ms) FROM token t WHERE t.sign_in = sign_in.id), 0);
CREATE INDEX sign_in_expires ON sign_in (expires_ms);

-- Branches of the refresh tokens of a sign-in. If a client redeems a token again because the reply was lost, the new
-- token starts a branch, so that using both new tokens does not count as reuse. Replaces sign_in.redeemed and
-- sign_in.redeemed_ms.
CREATE TABLE sign_in_branch (
    sign_in BLOB NOT NULL REFERENCES sign_in (id) ON DELETE CASCADE,
    branch INTEGER NOT NULL,
    -- the last redeemed generation, and the time of its redemption
    redeemed INTEGER NOT NULL,
    redeemed_ms INTEGER NOT NULL,
    PRIMARY KEY (sign_in, branch)
) STRICT, WITHOUT ROWID;
INSERT INTO sign_in_branch (sign_in, branch, redeemed, redeemed_ms)
    SELECT id, 0, redeemed, redeemed_ms FROM sign_in WHERE redeemed > 0;

-- New refresh tokens have a MAC and are not stored. Deletes the stored refresh tokens that were redeemed.
DELETE FROM token WHERE kind = 'refresh'
    AND generation < (SELECT s.redeemed FROM sign_in s WHERE s.id = token.sign_in);

-- Ids of accounts missing from this database, because they were created after the backup from which it was restored,
-- and the account that adopted their work.
CREATE TABLE adopted_account (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    -- 1: a client proved by a refresh token that it has a sign-in of this id, so all sign-ins of this id count as
    -- sign-ins of the account
    signs_in INTEGER NOT NULL CHECK (signs_in IN (0, 1)),
    adopted_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Sign-ins that survive the restore of an older backup, logins that are compared by PRECIS, accounts that were adopted.

-- Equal for logins that look alike (UTS 39). The code fills it in, together with the new login keys, when it opens the file.
ALTER TABLE account ADD COLUMN login_skeleton TEXT NOT NULL DEFAULT '';
CREATE INDEX account_skeleton ON account (login_skeleton);

-- When the last refresh token of the sign-in expires: then the row is deleted.
ALTER TABLE sign_in ADD COLUMN expires_ms INTEGER NOT NULL DEFAULT 0;
-- Not 0: the sign-in was ended. The row stays until its tokens have expired, because they carry their own proof.
ALTER TABLE sign_in ADD COLUMN ended_ms INTEGER NOT NULL DEFAULT 0;
-- Generations up to this one are redeemed in all lines that have no row in sign_in_branch any more.
ALTER TABLE sign_in ADD COLUMN redeemed_floor INTEGER NOT NULL DEFAULT 0;
UPDATE sign_in SET expires_ms = coalesce((SELECT max(t.expires_ms) FROM token t WHERE t.sign_in = sign_in.id), 0);
CREATE INDEX sign_in_expires ON sign_in (expires_ms);

-- Lines of refresh tokens of one sign-in: an answer that was sent again after a lost reply begins a line of its own, so that the
-- two answers never look like the reuse of one token. Replaces sign_in.redeemed and sign_in.redeemed_ms.
CREATE TABLE sign_in_branch (
    sign_in BLOB NOT NULL REFERENCES sign_in (id) ON DELETE CASCADE,
    branch INTEGER NOT NULL,
    -- the last generation that was redeemed, and when
    redeemed INTEGER NOT NULL,
    redeemed_ms INTEGER NOT NULL,
    PRIMARY KEY (sign_in, branch)
) STRICT, WITHOUT ROWID;
INSERT INTO sign_in_branch (sign_in, branch, redeemed, redeemed_ms)
    SELECT id, 0, redeemed, redeemed_ms FROM sign_in WHERE redeemed > 0;

-- Refresh tokens carry their own proof from now on; those that were redeemed before are of no more use.
DELETE FROM token WHERE kind = 'refresh'
    AND generation < (SELECT s.redeemed FROM sign_in s WHERE s.id = token.sign_in);

-- Ids of accounts that this database does not know (they were made after the backup that it was restored from), and the account that
-- their work belongs to now.
CREATE TABLE adopted_account (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    -- 1: the possession of a sign-in was proved, and the other sign-ins of the id are sign-ins of the account
    signs_in INTEGER NOT NULL CHECK (signs_in IN (0, 1)),
    adopted_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

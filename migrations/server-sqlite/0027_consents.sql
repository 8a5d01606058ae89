-- Consents of persons, and their withdrawals. Lines are added and never changed; the last one of a kind is valid.
CREATE TABLE consent (
    user_id BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    -- from 1, without gaps
    number INTEGER NOT NULL,
    -- such as 'privacy' or 'recordings', as the school names it
    kind TEXT NOT NULL,
    -- version of the text that was agreed to
    version TEXT NOT NULL,
    -- 1: given, 0: withdrawn
    given INTEGER NOT NULL CHECK (given IN (0, 1)),
    -- who agreed, if it was somebody else, such as a parent; ''
    given_by TEXT NOT NULL,
    -- account that wrote the line: the person's own or one of staff
    recorded_by BLOB NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (user_id, number)
) STRICT, WITHOUT ROWID;

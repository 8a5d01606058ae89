-- Accounts that run the server: their role is administrator, and no other administrator changes them.
ALTER TABLE person ADD COLUMN operator INTEGER NOT NULL DEFAULT 0 CHECK (operator IN (0, 1));

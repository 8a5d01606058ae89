-- Accounts that run the server: their role is administrator, and no other administrator changes them.
ALTER TABLE person ADD COLUMN operator boolean NOT NULL DEFAULT false;

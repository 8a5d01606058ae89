-- E-mail addresses of people, for messages only: an address never proves who somebody is, and siblings may share one.
-- email: as it was entered; '': none
ALTER TABLE person ADD COLUMN email TEXT NOT NULL DEFAULT '';
-- email_key: in lower case, for searches
ALTER TABLE person ADD COLUMN email_key TEXT NOT NULL DEFAULT '';
CREATE INDEX person_email ON person (email_key) WHERE email_key <> '';

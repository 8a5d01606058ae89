-- E-mail addresses of people (migrations/server-sqlite/0022_mail_addresses.sql).
ALTER TABLE person ADD COLUMN email text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE person ADD COLUMN email_key text COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX person_email ON person (tenant, email_key) WHERE email_key <> '';

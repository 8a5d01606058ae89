-- The name that the column has in PostgreSQL and in other tables.
ALTER TABLE enrolment_token_use RENAME COLUMN user TO user_id;

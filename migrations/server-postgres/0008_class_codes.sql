-- Codes of classes: who uses such an enrolment token becomes a student of the class. Empty: none.
ALTER TABLE enrolment_token ADD COLUMN class bytea NOT NULL DEFAULT '';

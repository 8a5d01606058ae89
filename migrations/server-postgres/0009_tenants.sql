-- Tenants: several schools in one database (docs/adr/0033). Each table has the tenant in every key, and row-level security
-- that is forced, also for the owner. The setting `carrel.tenant` of a transaction names the tenant; without it, no row
-- is visible and none can be added. `nullif`: the setting is '' after a transaction that set it.

CREATE TABLE tenant (
    id integer PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    created_ms bigint NOT NULL
);
-- The data of a database without tenants.
INSERT INTO tenant (id, name, created_ms) VALUES (1, '', 0);

-- The cluster and timeline to which the epochs of all tenants are bound.
CREATE TABLE cluster (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    identity text COLLATE "C" NOT NULL
);
INSERT INTO cluster (identity) SELECT value FROM server_fact WHERE name = 'postgres_cluster';
DELETE FROM server_fact WHERE name = 'postgres_cluster';

CREATE FUNCTION current_tenant() RETURNS integer LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('carrel.tenant', true), '')::integer;

-- Foreign keys get the tenant, so that no row refers to a row of another tenant.
ALTER TABLE adopted_account DROP CONSTRAINT adopted_account_user_id_fkey;
ALTER TABLE enrolment_token_use DROP CONSTRAINT enrolment_token_use_token_fkey;
ALTER TABLE learner DROP CONSTRAINT learner_user_id_fkey;
ALTER TABLE membership DROP CONSTRAINT membership_class_fkey;
ALTER TABLE membership DROP CONSTRAINT membership_user_id_fkey;
ALTER TABLE one_time_code DROP CONSTRAINT one_time_code_user_id_fkey;
ALTER TABLE person DROP CONSTRAINT person_user_id_fkey;
ALTER TABLE roster_change DROP CONSTRAINT roster_change_import_fkey;
ALTER TABLE sign_in DROP CONSTRAINT sign_in_user_id_fkey;
ALTER TABLE sign_in_branch DROP CONSTRAINT sign_in_branch_sign_in_fkey;
ALTER TABLE token DROP CONSTRAINT token_sign_in_fkey;

ALTER TABLE progress
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT progress_pkey,
    ADD PRIMARY KEY (tenant, user_id, kind, item);
DROP INDEX progress_usn;
CREATE UNIQUE INDEX progress_usn ON progress (tenant, user_id, usn);

ALTER TABLE study_session
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT study_session_pkey,
    ADD PRIMARY KEY (tenant, user_id, id);
DROP INDEX study_session_usn;
CREATE UNIQUE INDEX study_session_usn ON study_session (tenant, user_id, usn);

ALTER TABLE attempt
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT attempt_pkey,
    ADD PRIMARY KEY (tenant, user_id, id);
DROP INDEX attempt_usn;
CREATE UNIQUE INDEX attempt_usn ON attempt (tenant, user_id, usn);

ALTER TABLE answer
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT answer_pkey,
    ADD PRIMARY KEY (tenant, user_id, attempt, question);
DROP INDEX answer_usn;
CREATE UNIQUE INDEX answer_usn ON answer (tenant, user_id, usn);

ALTER TABLE grade
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT grade_pkey,
    ADD PRIMARY KEY (tenant, user_id, attempt);
DROP INDEX grade_usn;
CREATE UNIQUE INDEX grade_usn ON grade (tenant, user_id, usn);

ALTER TABLE review
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT review_pkey,
    ADD PRIMARY KEY (tenant, user_id, id);
DROP INDEX review_usn;
CREATE UNIQUE INDEX review_usn ON review (tenant, user_id, usn);

ALTER TABLE review_void
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT review_void_pkey,
    ADD PRIMARY KEY (tenant, user_id, id);
DROP INDEX review_void_usn;
CREATE UNIQUE INDEX review_void_usn ON review_void (tenant, user_id, usn);

ALTER TABLE kv
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT kv_pkey,
    ADD PRIMARY KEY (tenant, user_id, ns, key);
DROP INDEX kv_enrolment;
CREATE INDEX kv_enrolment ON kv (tenant, key, user_id) WHERE ((ns = 'enrolment') AND (value = 'true'));
DROP INDEX kv_usn;
CREATE UNIQUE INDEX kv_usn ON kv (tenant, user_id, usn);

ALTER TABLE decision
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT decision_pkey,
    ADD PRIMARY KEY (tenant, user_id, course);
DROP INDEX decision_usn;
CREATE UNIQUE INDEX decision_usn ON decision (tenant, user_id, usn);

ALTER TABLE note_revision
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT note_revision_pkey,
    ADD PRIMARY KEY (tenant, user_id, rev);
DROP INDEX note_revision_usn;
CREATE UNIQUE INDEX note_revision_usn ON note_revision (tenant, user_id, usn);

ALTER TABLE note_life
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT note_life_pkey,
    ADD PRIMARY KEY (tenant, user_id, note);
DROP INDEX note_life_usn;
CREATE UNIQUE INDEX note_life_usn ON note_life (tenant, user_id, usn);

ALTER TABLE server_fact
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT server_fact_pkey,
    ADD PRIMARY KEY (tenant, name);

ALTER TABLE account
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT account_pkey,
    ADD PRIMARY KEY (tenant, id),
    DROP CONSTRAINT account_login_key_key,
    ADD CONSTRAINT account_login_key_key UNIQUE (tenant, login_key);
DROP INDEX account_administrator;
CREATE INDEX account_administrator ON account (tenant, id) WHERE (role = 'administrator');
DROP INDEX account_skeleton;
CREATE INDEX account_skeleton ON account (tenant, login_skeleton);

ALTER TABLE learner
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT learner_pkey,
    ADD PRIMARY KEY (tenant, user_id);

ALTER TABLE adopted_account
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT adopted_account_pkey,
    ADD PRIMARY KEY (tenant, id);
DROP INDEX adopted_account_user;
CREATE INDEX adopted_account_user ON adopted_account (tenant, user_id);

ALTER TABLE sign_in
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT sign_in_pkey,
    ADD PRIMARY KEY (tenant, id);
DROP INDEX sign_in_expires;
CREATE INDEX sign_in_expires ON sign_in (tenant, expires_ms);
DROP INDEX sign_in_user;
CREATE INDEX sign_in_user ON sign_in (tenant, user_id);

ALTER TABLE sign_in_branch
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT sign_in_branch_pkey,
    ADD PRIMARY KEY (tenant, sign_in, branch);

ALTER TABLE token
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT token_pkey,
    ADD PRIMARY KEY (tenant, hash);
DROP INDEX token_sign_in;
CREATE INDEX token_sign_in ON token (tenant, sign_in, expires_ms);

ALTER TABLE publication
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT publication_pkey,
    ADD PRIMARY KEY (tenant, kind, id);
DROP INDEX publication_rank;
CREATE INDEX publication_rank ON publication (tenant, kind, learners DESC, imported_ms DESC, id);
DROP INDEX publication_title;
CREATE INDEX publication_title ON publication (tenant, kind, lower(title), id);

ALTER TABLE blob
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT blob_pkey,
    ADD PRIMARY KEY (tenant, hash);

ALTER TABLE publication_blob
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT publication_blob_pkey,
    ADD PRIMARY KEY (tenant, kind, id, hash);
DROP INDEX publication_blob_hash;
CREATE INDEX publication_blob_hash ON publication_blob (tenant, hash);

ALTER TABLE quiz
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT quiz_pkey,
    ADD PRIMARY KEY (tenant, hash, item);
DROP INDEX quiz_item;
CREATE INDEX quiz_item ON quiz (tenant, item, revision);

ALTER TABLE passage
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT passage_pkey,
    ADD PRIMARY KEY (tenant, id);
DROP INDEX passage_root;
CREATE INDEX passage_root ON passage (tenant, root_kind, root);

ALTER TABLE job
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT job_pkey,
    ADD PRIMARY KEY (tenant, name);

ALTER TABLE graded_attempt
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT graded_attempt_pkey,
    ADD PRIMARY KEY (tenant, user_id, quiz, attempt);

ALTER TABLE open_grade
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT open_grade_pkey,
    ADD PRIMARY KEY (tenant, user_id, attempt);
DROP INDEX open_grade_first;
CREATE INDEX open_grade_first ON open_grade (tenant, first_ms);

ALTER TABLE enrolment_token
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT enrolment_token_pkey,
    ADD PRIMARY KEY (tenant, name),
    DROP CONSTRAINT enrolment_token_hash_key,
    ADD CONSTRAINT enrolment_token_hash_key UNIQUE (tenant, hash);

ALTER TABLE enrolment_token_use
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT enrolment_token_use_pkey,
    ADD PRIMARY KEY (tenant, token, user_id);

ALTER TABLE person
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT person_pkey,
    ADD PRIMARY KEY (tenant, user_id);
DROP INDEX person_source;
CREATE UNIQUE INDEX person_source ON person (tenant, source_id) WHERE (source_id <> '');

ALTER TABLE class
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT class_pkey,
    ADD PRIMARY KEY (tenant, id);
DROP INDEX class_name;
CREATE INDEX class_name ON class (tenant, name_key);
DROP INDEX class_source;
CREATE UNIQUE INDEX class_source ON class (tenant, source_id) WHERE (source_id <> '');

ALTER TABLE membership
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT membership_pkey,
    ADD PRIMARY KEY (tenant, class, user_id, role);
DROP INDEX membership_user;
CREATE INDEX membership_user ON membership (tenant, user_id);

ALTER TABLE roster_import
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT roster_import_pkey,
    ADD PRIMARY KEY (tenant, id);

ALTER TABLE roster_change
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT roster_change_pkey,
    ADD PRIMARY KEY (tenant, import, number);

ALTER TABLE audit
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT audit_pkey,
    ADD PRIMARY KEY (tenant, id);
DROP INDEX audit_subject;
CREATE INDEX audit_subject ON audit (tenant, subject, id);

ALTER TABLE one_time_code
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT one_time_code_pkey,
    ADD PRIMARY KEY (tenant, user_id);

ALTER TABLE deleted_account
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT deleted_account_pkey,
    ADD PRIMARY KEY (tenant, id);

ALTER TABLE roster_report
    ADD COLUMN tenant integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT roster_report_pkey,
    ADD PRIMARY KEY (tenant, id);

ALTER TABLE adopted_account ADD CONSTRAINT adopted_account_user_id_fkey
    FOREIGN KEY (tenant, user_id) REFERENCES account (tenant, id) ON DELETE CASCADE;
ALTER TABLE enrolment_token_use ADD CONSTRAINT enrolment_token_use_token_fkey
    FOREIGN KEY (tenant, token) REFERENCES enrolment_token (tenant, name) ON DELETE CASCADE;
ALTER TABLE learner ADD CONSTRAINT learner_user_id_fkey
    FOREIGN KEY (tenant, user_id) REFERENCES account (tenant, id) ON DELETE CASCADE;
ALTER TABLE membership ADD CONSTRAINT membership_class_fkey
    FOREIGN KEY (tenant, class) REFERENCES class (tenant, id) ON DELETE CASCADE;
ALTER TABLE membership ADD CONSTRAINT membership_user_id_fkey
    FOREIGN KEY (tenant, user_id) REFERENCES account (tenant, id) ON DELETE CASCADE;
ALTER TABLE one_time_code ADD CONSTRAINT one_time_code_user_id_fkey
    FOREIGN KEY (tenant, user_id) REFERENCES account (tenant, id) ON DELETE CASCADE;
ALTER TABLE person ADD CONSTRAINT person_user_id_fkey
    FOREIGN KEY (tenant, user_id) REFERENCES account (tenant, id) ON DELETE CASCADE;
ALTER TABLE roster_change ADD CONSTRAINT roster_change_import_fkey
    FOREIGN KEY (tenant, import) REFERENCES roster_import (tenant, id) ON DELETE CASCADE;
ALTER TABLE sign_in ADD CONSTRAINT sign_in_user_id_fkey
    FOREIGN KEY (tenant, user_id) REFERENCES account (tenant, id) ON DELETE CASCADE;
ALTER TABLE sign_in_branch ADD CONSTRAINT sign_in_branch_sign_in_fkey
    FOREIGN KEY (tenant, sign_in) REFERENCES sign_in (tenant, id) ON DELETE CASCADE;
ALTER TABLE token ADD CONSTRAINT token_sign_in_fkey
    FOREIGN KEY (tenant, sign_in) REFERENCES sign_in (tenant, id) ON DELETE CASCADE;

-- Restricts a table with the column `tenant` to the tenant of the transaction. Each table is passed to it once.
CREATE PROCEDURE restrict_to_tenant(name text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %I ALTER COLUMN tenant SET DEFAULT current_tenant()', name);
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY tenant ON %I USING (tenant = current_tenant())', name);
END
$$;

-- The constant default gave the stored rows their tenant without a rewrite of the tables.
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN
        SELECT relname FROM pg_class
        WHERE relnamespace = 'carrel'::regnamespace AND relkind = 'r'
            AND relname NOT IN ('schema_migration', 'tenant', 'cluster')
    LOOP
        CALL restrict_to_tenant(name);
    END LOOP;
END
$$;

-- The operator @@ is not leak-proof, so under a policy its index would not be used. The function runs as the owner, for
-- whom alone the security of this table is not forced, and names the tenant itself.
ALTER TABLE passage NO FORCE ROW LEVEL SECURITY;
CREATE FUNCTION find_passages(query tsquery)
    RETURNS TABLE (id bigint, root_kind text, root text, kind text, item text, title text, title_terms text, text_terms text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = carrel, pg_temp
BEGIN ATOMIC
    SELECT p.id, p.root_kind, p.root, p.kind, p.item, p.title, p.title_terms, p.text_terms FROM passage p
    WHERE p.tenant = current_tenant() AND p.lexemes @@ query;
END;

-- Divides the tables of the learners' rows into four partitions by the learner's id (docs/SCALING.md, Partitions).
-- Run by a superuser while no server uses the database. Copies all rows; needs as much free space as the tables have.
SET search_path TO carrel;
DO $$
DECLARE
    owner text := (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'carrel.account'::regclass);
    name text;
    part int;
BEGIN
    FOREACH name IN ARRAY ARRAY['progress', 'study_session', 'attempt', 'answer', 'grade', 'review', 'review_void', 'kv',
        'decision', 'note_revision', 'note_life']
    LOOP
        EXECUTE format('ALTER TABLE %I RENAME TO %I', name, name || '_whole');
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL) PARTITION BY HASH (user_id)', name, name || '_whole');
        CALL restrict_to_tenant(name);
        FOR part IN 0..3 LOOP
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES WITH (MODULUS 4, REMAINDER %s)',
                name || '_' || part, name, part);
            -- Also for somebody who names the partition.
            CALL restrict_to_tenant(name || '_' || part);
            EXECUTE format('ALTER TABLE %I OWNER TO %I', name || '_' || part, owner);
        END LOOP;
        EXECUTE format('INSERT INTO %I SELECT * FROM %I', name, name || '_whole');
        EXECUTE format('DROP TABLE %I', name || '_whole');
        EXECUTE format('ALTER TABLE %I OWNER TO %I', name, owner);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO %I', name, current_database() || '_app');
    END LOOP;
END
$$;
ANALYZE;

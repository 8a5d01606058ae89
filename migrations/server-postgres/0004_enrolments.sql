-- Estimated hours of a course in hundredths, for filters; 0 for a story. Number of enrolled learners, as last counted by
-- the job "count-learners".
ALTER TABLE publication ADD COLUMN hours bigint NOT NULL DEFAULT 0;
ALTER TABLE publication ADD COLUMN learners bigint NOT NULL DEFAULT 0;
UPDATE publication SET hours = round(coalesce((summary::jsonb ->> 'hours')::numeric, 0) * 100)::bigint
WHERE kind = 'course';
CREATE INDEX publication_rank ON publication (kind, learners DESC, imported_ms DESC, id);
CREATE INDEX kv_enrolment ON kv (key, user_id) WHERE ns = 'enrolment' AND value = 'true';

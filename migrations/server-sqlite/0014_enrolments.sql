-- Estimated hours of a course in hundredths, for filters; 0 for a story. Number of enrolled learners, as last counted by
-- the job "count-learners".
ALTER TABLE publication ADD COLUMN hours INTEGER NOT NULL DEFAULT 0;
ALTER TABLE publication ADD COLUMN learners INTEGER NOT NULL DEFAULT 0;
UPDATE publication SET hours = CAST(round(coalesce(json_extract(summary, '$.hours'), 0) * 100) AS INTEGER)
WHERE kind = 'course' AND json_valid(summary);
-- The order of a list by enrolments. Contains the columns of its filters: a row of the table is large.
CREATE INDEX publication_rank
    ON publication (kind, learners DESC, imported_ms DESC, id, difficulty, category, lang, level, hours);
CREATE INDEX kv_enrolment ON kv (key, user_id) WHERE ns = 'enrolment' AND value = 'true';

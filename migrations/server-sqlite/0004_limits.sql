-- The submitted answers of an attempt; '' for none. Earlier releases stored them as an unknown field.
ALTER TABLE attempt ADD COLUMN answers TEXT NOT NULL DEFAULT '';
UPDATE attempt SET answers = json_extract(extra, '$.answers'), extra = json_remove(extra, '$.answers')
WHERE submitted_ms < 9223372036854775807 AND instr(extra, '"answers"') > 0 AND json_type(extra, '$.answers') = 'object'
    AND NOT EXISTS (SELECT 1 FROM json_each(attempt.extra, '$.answers') WHERE type <> 'text');
UPDATE attempt SET extra = '' WHERE extra = '{}';

-- Reduces unknown fields that exceed the limits of a row, as each merge does now. Earlier releases stored them.
UPDATE progress SET extra = carrel_join_extra(extra, '') WHERE octet_length(extra) > 4096;
UPDATE study_session SET extra = carrel_join_extra(extra, '') WHERE octet_length(extra) > 4096;
UPDATE attempt SET extra = carrel_join_extra(extra, '') WHERE octet_length(extra) > 4096;
UPDATE answer SET extra = carrel_join_extra(extra, '') WHERE octet_length(extra) > 4096;
UPDATE grade SET extra = carrel_join_extra(extra, '') WHERE octet_length(extra) > 4096;
UPDATE review SET extra = carrel_join_extra(extra, '') WHERE octet_length(extra) > 4096;
UPDATE review_void SET extra = carrel_join_extra(extra, '') WHERE octet_length(extra) > 4096;
UPDATE kv SET extra = carrel_join_extra(extra, '') WHERE octet_length(extra) > 4096;
UPDATE decision SET extra = carrel_join_extra(extra, '') WHERE octet_length(extra) > 4096;
UPDATE note_revision SET extra = carrel_join_extra(extra, '') WHERE octet_length(extra) > 4096;
UPDATE note_life SET extra = carrel_join_extra(extra, '') WHERE octet_length(extra) > 4096;

-- Number and size of a learner's rows, for the quota. Updated in the transaction that writes rows.
CREATE TABLE learner_usage (
    user_id BLOB NOT NULL PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    row_count INTEGER NOT NULL,
    row_bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO learner_usage (user_id, row_count, row_bytes)
SELECT user_id, count(*), sum(bytes) FROM (
    SELECT user_id, 32 + octet_length(kind) + octet_length(item) + octet_length(pos_device) + octet_length(pos_at) + octet_length(extra) AS bytes FROM progress
    UNION ALL
    SELECT user_id, 16 + octet_length(id) + octet_length(payload_hash) + octet_length(item) + octet_length(device) + octet_length(day) + octet_length(extra) AS bytes FROM study_session
    UNION ALL
    SELECT user_id, 16 + octet_length(id) + octet_length(payload_hash) + octet_length(quiz) + octet_length(quiz_hash) + octet_length(answers) + octet_length(extra) AS bytes FROM attempt
    UNION ALL
    SELECT user_id, 8 + octet_length(attempt) + octet_length(question) + octet_length(value) + octet_length(extra) AS bytes FROM answer
    UNION ALL
    SELECT user_id, 32 + octet_length(attempt) + octet_length(extra) AS bytes FROM grade
    UNION ALL
    SELECT user_id, 24 + octet_length(id) + octet_length(payload_hash) + octet_length(word) + octet_length(extra) AS bytes FROM review
    UNION ALL
    SELECT user_id, octet_length(id) + octet_length(extra) AS bytes FROM review_void
    UNION ALL
    SELECT user_id, 8 + octet_length(ns) + octet_length(key) + octet_length(device) + octet_length(value) + octet_length(extra) AS bytes FROM kv
    UNION ALL
    SELECT user_id, 8 + octet_length(course) + octet_length(status) + octet_length(reason) + octet_length(extra) AS bytes FROM decision
    UNION ALL
    SELECT user_id, 8 + octet_length(rev) + octet_length(payload_hash) + octet_length(note) + octet_length(base) + octet_length(item) + octet_length(body) + octet_length(anchor) + octet_length(extra) AS bytes FROM note_revision
    UNION ALL
    SELECT user_id, 8 + octet_length(note) + octet_length(extra) AS bytes FROM note_life
)
WHERE user_id IN (SELECT id FROM account)
GROUP BY user_id;

-- Graded attempts that earlier releases submitted without their answers: points of each answered question in
-- thousandths, as JSON. A question is graded once; answers to further questions count for 24 hours after first_ms.
CREATE TABLE open_grade (
    user_id BLOB NOT NULL,
    attempt BLOB NOT NULL,
    first_ms INTEGER NOT NULL,
    points TEXT NOT NULL,
    PRIMARY KEY (user_id, attempt)
) STRICT, WITHOUT ROWID;

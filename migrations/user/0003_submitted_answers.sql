-- The submitted answers of an attempt; '' for none. Earlier releases stored them as an unknown field.
ALTER TABLE attempt ADD COLUMN answers TEXT NOT NULL DEFAULT '';
UPDATE attempt SET answers = json_extract(extra, '$.answers'), extra = json_remove(extra, '$.answers')
WHERE submitted_ms < 9223372036854775807 AND instr(extra, '"answers"') > 0 AND json_type(extra, '$.answers') = 'object'
    AND NOT EXISTS (SELECT 1 FROM json_each(attempt.extra, '$.answers') WHERE type <> 'text');
UPDATE attempt SET extra = '' WHERE extra = '{}';

-- Reduces unknown fields that exceed the limits of a row, as each join does. Earlier releases stored them.
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

-- Sync version 2: the study day, time zone, kind, card and parameter set of reviews; the time zone of sessions; the
-- study day and time zone of attempts. -4294967296 and '' mean absent; '-' is the default parameter set. Releases that
-- support version 1 only stored these fields as unknown ones; the hash of the payload now includes them.
ALTER TABLE study_session ADD COLUMN off_min INTEGER NOT NULL DEFAULT -4294967296;
ALTER TABLE attempt ADD COLUMN day INTEGER NOT NULL DEFAULT -4294967296;
ALTER TABLE attempt ADD COLUMN off_min INTEGER NOT NULL DEFAULT -4294967296;
ALTER TABLE review ADD COLUMN day INTEGER NOT NULL DEFAULT -4294967296;
ALTER TABLE review ADD COLUMN off_min INTEGER NOT NULL DEFAULT -4294967296;
ALTER TABLE review ADD COLUMN kind TEXT NOT NULL DEFAULT '';
ALTER TABLE review ADD COLUMN card TEXT NOT NULL DEFAULT '';
ALTER TABLE review ADD COLUMN params TEXT NOT NULL DEFAULT '';

UPDATE review SET payload_hash = v.hash, day = v.extra ->> '$.day', off_min = v.extra ->> '$.offMin',
    kind = v.extra ->> '$.kind', card = v.extra ->> '$.card',
    params = CASE v.extra ->> '$.params' WHEN '' THEN '-' ELSE v.extra ->> '$.params' END,
    extra = json_remove(v.extra, '$.day', '$.offMin', '$.kind', '$.card', '$.params')
FROM (SELECT user_id, id, extra, carrel_payload_hash(json_patch(extra, json_object('type', 'review',
        'id', '00000000-0000-0000-0000-000000000000', 'word', word, 'rating', rating,
        'atMs', at_ms, 'durationMs', duration_ms))) AS hash
    FROM review WHERE instr(extra, '"card"') > 0 AND json_type(extra, '$.card') = 'text') AS v
WHERE v.user_id = review.user_id AND v.id = review.id AND v.hash IS NOT NULL;
UPDATE review SET extra = '' WHERE extra = '{}';

UPDATE attempt SET payload_hash = v.hash, day = v.extra ->> '$.day', off_min = v.extra ->> '$.offMin',
    extra = json_remove(v.extra, '$.day', '$.offMin')
FROM (SELECT user_id, id, extra, carrel_payload_hash(json_patch(extra, json_object('type', 'attempt',
        'id', '00000000-0000-0000-0000-000000000000', 'quiz', quiz, 'quizHash', lower(hex(quiz_hash)),
        'startedMs', started_ms))) AS hash
    FROM attempt WHERE instr(extra, '"offMin"') > 0 AND json_type(extra, '$.offMin') = 'integer'
        AND json_type(extra, '$.day') = 'integer') AS v
WHERE v.user_id = attempt.user_id AND v.id = attempt.id AND v.hash IS NOT NULL;
UPDATE attempt SET extra = '' WHERE extra = '{}';

UPDATE study_session SET payload_hash = v.hash, off_min = v.extra ->> '$.offMin',
    extra = json_remove(v.extra, '$.offMin')
FROM (SELECT user_id, id, extra, carrel_payload_hash(json_patch(extra, json_object('type', 'session',
        'id', '00000000-0000-0000-0000-000000000000', 'item', item, 'startedMs', started_ms, 'day', day,
        'activeMs', 0, 'device', substr(lower(hex(device)), 1, 8) || '-' || substr(lower(hex(device)), 9, 4) || '-'
        || substr(lower(hex(device)), 13, 4) || '-' || substr(lower(hex(device)), 17, 4) || '-'
        || substr(lower(hex(device)), 21)))) AS hash
    FROM study_session WHERE instr(extra, '"offMin"') > 0 AND json_type(extra, '$.offMin') = 'integer') AS v
WHERE v.user_id = study_session.user_id AND v.id = study_session.id AND v.hash IS NOT NULL;
UPDATE study_session SET extra = '' WHERE extra = '{}';

-- The new columns count in the size of the stored rows.
DELETE FROM learner_usage;
INSERT INTO learner_usage (user_id, row_count, row_bytes)
SELECT user_id, count(*), sum(bytes) FROM (
    SELECT user_id, 32 + octet_length(kind) + octet_length(item) + octet_length(pos_device) + octet_length(pos_at) + octet_length(extra) AS bytes FROM progress
    UNION ALL
    SELECT user_id, 24 + octet_length(id) + octet_length(payload_hash) + octet_length(item) + octet_length(device) + octet_length(day) + octet_length(extra) AS bytes FROM study_session
    UNION ALL
    SELECT user_id, 32 + octet_length(id) + octet_length(payload_hash) + octet_length(quiz) + octet_length(quiz_hash) + octet_length(answers) + octet_length(extra) AS bytes FROM attempt
    UNION ALL
    SELECT user_id, 8 + octet_length(attempt) + octet_length(question) + octet_length(value) + octet_length(extra) AS bytes FROM answer
    UNION ALL
    SELECT user_id, 32 + octet_length(attempt) + octet_length(extra) AS bytes FROM grade
    UNION ALL
    SELECT user_id, 40 + octet_length(id) + octet_length(payload_hash) + octet_length(word) + octet_length(kind) + octet_length(card) + octet_length(params) + octet_length(extra) AS bytes FROM review
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

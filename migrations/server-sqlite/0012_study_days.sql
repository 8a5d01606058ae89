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

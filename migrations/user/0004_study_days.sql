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
FROM (SELECT id, extra, carrel_payload_hash(json_patch(extra, json_object('type', 'review',
        'id', '00000000-0000-0000-0000-000000000000', 'word', word, 'rating', rating,
        'atMs', at_ms, 'durationMs', duration_ms))) AS hash
    FROM review WHERE instr(extra, '"card"') > 0 AND json_type(extra, '$.card') = 'text') AS v
WHERE v.id = review.id AND v.hash IS NOT NULL;
UPDATE review SET extra = '' WHERE extra = '{}';

UPDATE attempt SET payload_hash = v.hash, day = v.extra ->> '$.day', off_min = v.extra ->> '$.offMin',
    extra = json_remove(v.extra, '$.day', '$.offMin')
FROM (SELECT id, extra, carrel_payload_hash(json_patch(extra, json_object('type', 'attempt',
        'id', '00000000-0000-0000-0000-000000000000', 'quiz', quiz, 'quizHash', lower(hex(quiz_hash)),
        'startedMs', started_ms))) AS hash
    FROM attempt WHERE instr(extra, '"offMin"') > 0 AND json_type(extra, '$.offMin') = 'integer'
        AND json_type(extra, '$.day') = 'integer') AS v
WHERE v.id = attempt.id AND v.hash IS NOT NULL;
UPDATE attempt SET extra = '' WHERE extra = '{}';

UPDATE study_session SET payload_hash = v.hash, off_min = v.extra ->> '$.offMin',
    extra = json_remove(v.extra, '$.offMin')
FROM (SELECT id, extra, carrel_payload_hash(json_patch(extra, json_object('type', 'session',
        'id', '00000000-0000-0000-0000-000000000000', 'item', item, 'startedMs', started_ms, 'day', day,
        'activeMs', 0, 'device', substr(lower(hex(device)), 1, 8) || '-' || substr(lower(hex(device)), 9, 4) || '-'
        || substr(lower(hex(device)), 13, 4) || '-' || substr(lower(hex(device)), 17, 4) || '-'
        || substr(lower(hex(device)), 21)))) AS hash
    FROM study_session WHERE instr(extra, '"offMin"') > 0 AND json_type(extra, '$.offMin') = 'integer') AS v
WHERE v.id = study_session.id AND v.hash IS NOT NULL;
UPDATE study_session SET extra = '' WHERE extra = '{}';

-- For the states of one card.
CREATE INDEX review_card ON review (card) WHERE card <> '';
-- For the review list.
CREATE INDEX review_added ON review (word, card) WHERE rating = 0;
-- Cards of words, from the vocabularies on this device, for reviews without a card. A cache: not synced.
CREATE TABLE word_card (
    item TEXT NOT NULL PRIMARY KEY,
    card TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- For the last answers and those of a day.
CREATE INDEX review_day ON review (day, at_ms) WHERE rating > 0;

-- The states of cards, derived from reviews. A cache: not synced, and computed again from the reviews at any time.
CREATE TABLE card_state (
    card TEXT NOT NULL PRIMARY KEY,
    -- the word that was added first, and when; added_ms is -4294967296 if the card is not on the list
    item TEXT NOT NULL,
    added_ms INTEGER NOT NULL,
    -- the last answer; no bytes for a new card, whose other columns are 0
    last BLOB NOT NULL,
    stability REAL NOT NULL,
    difficulty REAL NOT NULL,
    last_day INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    last_rating INTEGER NOT NULL,
    first_day INTEGER NOT NULL,
    reviews INTEGER NOT NULL,
    lapses INTEGER NOT NULL,
    params TEXT NOT NULL
) STRICT, WITHOUT ROWID;
-- Cards whose states have to be computed again; '*' for all.
CREATE TABLE card_changed (card TEXT NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID;
INSERT INTO card_changed (card) VALUES ('*');

-- When a row was first changed, to correct its times exactly once the server's clock is known: number of the run of the
-- app, monotonic clock of that run, correction of the wall clock that was applied, and 1 if the row did not exist
-- before.
ALTER TABLE outbox ADD COLUMN run INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN mono_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN offset_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN is_new INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sync_state ADD COLUMN run INTEGER NOT NULL DEFAULT 0;

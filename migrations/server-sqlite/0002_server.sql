-- Tables of the server other than learners' rows: facts about this database, accounts, sign-ins, the catalogue and its
-- search index.

-- 'epoch': random; set when the database is created, and again by a restore. 'catalogue': revision of the catalogue,
-- incremented by each change of a publication.
CREATE TABLE server_fact (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE account (
    id BLOB NOT NULL PRIMARY KEY,
    login TEXT NOT NULL,
    -- key by which logins are compared
    login_key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('student', 'instructor', 'administrator')),
    -- argon2id hash as a PHC string
    password TEXT NOT NULL,
    -- the learner's last change number, incremented in the transaction that writes rows
    usn INTEGER NOT NULL DEFAULT 0,
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Sign-ins on devices. The tokens of a sign-in are deleted with it.
CREATE TABLE sign_in (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    device BLOB NOT NULL,
    device_name TEXT NOT NULL,
    -- generation of the last redeemed refresh token, and the time of its redemption
    redeemed INTEGER NOT NULL DEFAULT 0,
    redeemed_ms INTEGER NOT NULL DEFAULT 0,
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sign_in_user ON sign_in (user_id);

-- Tokens by their BLAKE3 hash. The tokens themselves are not stored.
CREATE TABLE token (
    hash BLOB NOT NULL PRIMARY KEY,
    sign_in BLOB NOT NULL REFERENCES sign_in (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('access', 'refresh')),
    generation INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX token_sign_in ON token (sign_in, expires_ms);

CREATE TABLE publication (
    kind TEXT NOT NULL CHECK (kind IN ('course', 'story')),
    id TEXT NOT NULL,
    title TEXT NOT NULL,
    lang TEXT NOT NULL,
    category TEXT NOT NULL,
    -- of a course; '' for a story
    difficulty TEXT NOT NULL,
    -- of a story; 0 for a course
    level INTEGER NOT NULL,
    -- JSON of CourseSummary or StorySummary
    summary TEXT NOT NULL,
    -- JSON of CourseReply or StoryReply
    reply TEXT NOT NULL,
    -- JSON of SignedManifest
    manifest TEXT NOT NULL,
    version BLOB NOT NULL,
    imported_ms INTEGER NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX publication_title ON publication (kind, title COLLATE NOCASE, id);

CREATE TABLE blob (
    hash BLOB NOT NULL PRIMARY KEY,
    size INTEGER NOT NULL,
    media_type TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Compiled quizzes of all versions ever published, because an attempt is graded by the version at its start.
CREATE TABLE quiz (
    hash BLOB NOT NULL PRIMARY KEY,
    item TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Search text: one passage for the title, description and tags of a publication, and one for each section or story
-- text.
CREATE TABLE passage (
    id INTEGER NOT NULL PRIMARY KEY,
    root_kind TEXT NOT NULL,
    root TEXT NOT NULL,
    -- 'course' or 'story' for a whole publication, 'section' or 'story_text' for a text in it
    kind TEXT NOT NULL,
    item TEXT NOT NULL,
    lang TEXT NOT NULL,
    title TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE INDEX passage_root ON passage (root_kind, root);

CREATE VIRTUAL TABLE passage_words USING fts5 (
    title, text, content = 'passage', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2'
);
-- For scripts without spaces between words.
CREATE VIRTUAL TABLE passage_trigrams USING fts5 (
    title, text, content = 'passage', content_rowid = 'id', tokenize = 'trigram'
);
CREATE TRIGGER passage_added AFTER INSERT ON passage BEGIN
    INSERT INTO passage_words (rowid, title, text) VALUES (new.id, new.title, new.text);
    INSERT INTO passage_trigrams (rowid, title, text) VALUES (new.id, new.title, new.text);
END;
CREATE TRIGGER passage_removed AFTER DELETE ON passage BEGIN
    INSERT INTO passage_words (passage_words, rowid, title, text) VALUES ('delete', old.id, old.title, old.text);
    INSERT INTO passage_trigrams (passage_trigrams, rowid, title, text) VALUES ('delete', old.id, old.title, old.text);
END;

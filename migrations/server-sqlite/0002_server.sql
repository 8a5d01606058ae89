-- What the server keeps beside the learners' rows: facts about this database, accounts and sign-ins, the catalogue, and its search index.

-- 'epoch': random, made with the database and again by a restore. 'catalogue': raised by each import.
CREATE TABLE server_fact (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE account (
    id BLOB NOT NULL PRIMARY KEY,
    login TEXT NOT NULL,
    -- lower case: logins are compared without case
    login_key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('student', 'instructor', 'administrator')),
    -- argon2id, PHC string
    password TEXT NOT NULL,
    -- the learner's change number, raised in the transaction of the rows
    usn INTEGER NOT NULL DEFAULT 0,
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One sign-in on one device: the family of its tokens. Revoking deletes it.
CREATE TABLE sign_in (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    device BLOB NOT NULL,
    device_name TEXT NOT NULL,
    -- the last refresh generation that was redeemed, and when
    redeemed INTEGER NOT NULL DEFAULT 0,
    redeemed_ms INTEGER NOT NULL DEFAULT 0,
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sign_in_user ON sign_in (user_id);

-- Tokens by their BLAKE3; the tokens themselves are nowhere.
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
    -- courses; '' for a story
    difficulty TEXT NOT NULL,
    -- stories; 0 for a course
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

-- Compiled quizzes of everything that was ever published: an attempt is graded by the quiz as it was when it began.
CREATE TABLE quiz (
    hash BLOB NOT NULL PRIMARY KEY,
    item TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What is searched: one passage for a publication as a whole (title, description, tags) and one for each section or story text.
CREATE TABLE passage (
    id INTEGER NOT NULL PRIMARY KEY,
    root_kind TEXT NOT NULL,
    root TEXT NOT NULL,
    -- 'course' or 'story' for the whole, 'section' or 'page' for its text
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
-- For writing without spaces between words.
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

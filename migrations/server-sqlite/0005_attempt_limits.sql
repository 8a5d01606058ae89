-- The attempts that count towards the limit of their quiz: those with a grade. Counted here, because an attempt's own row has no index by
-- quiz, and a learner may push any number of attempts that do not count.
CREATE TABLE graded_attempt (
    user_id BLOB NOT NULL,
    quiz TEXT NOT NULL,
    attempt BLOB NOT NULL,
    PRIMARY KEY (user_id, quiz, attempt)
) STRICT, WITHOUT ROWID;
INSERT INTO graded_attempt (user_id, quiz, attempt)
    SELECT a.user_id, a.quiz, a.id FROM grade g JOIN attempt a ON a.user_id = g.user_id AND a.id = g.attempt;

-- One quiz file may be part of several courses: its hash is the same and the item is not. And the limit of a quiz is that of the version
-- that was published last.
CREATE TABLE quiz_by_item (
    hash BLOB NOT NULL,
    item TEXT NOT NULL,
    body TEXT NOT NULL,
    -- the revision of the catalogue in which it was published last; 0 in a database of a release before this one
    revision INTEGER NOT NULL,
    PRIMARY KEY (hash, item)
) STRICT, WITHOUT ROWID;
INSERT INTO quiz_by_item (hash, item, body, revision) SELECT hash, item, body, 0 FROM quiz;
DROP TABLE quiz;
ALTER TABLE quiz_by_item RENAME TO quiz;
CREATE INDEX quiz_item ON quiz (item, revision);

-- Rows of open_grade are deleted when no further answer counts.
CREATE INDEX open_grade_first ON open_grade (first_ms);

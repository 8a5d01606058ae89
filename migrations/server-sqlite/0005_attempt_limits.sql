-- Attempts with a grade, which count towards the limit of their quiz. A separate table, because the attempt table has
-- no index by quiz, and a learner may push any number of attempts that do not count.
CREATE TABLE graded_attempt (
    user_id BLOB NOT NULL,
    quiz TEXT NOT NULL,
    attempt BLOB NOT NULL,
    PRIMARY KEY (user_id, quiz, attempt)
) STRICT, WITHOUT ROWID;
INSERT INTO graded_attempt (user_id, quiz, attempt)
    SELECT a.user_id, a.quiz, a.id FROM grade g JOIN attempt a ON a.user_id = g.user_id AND a.id = g.attempt;

-- The key now contains the item, because one quiz file may be part of several courses. The attempt limit of a quiz is
-- that of its last published version.
CREATE TABLE quiz_by_item (
    hash BLOB NOT NULL,
    item TEXT NOT NULL,
    body TEXT NOT NULL,
    -- revision of the catalogue in which it was last published; 0 if an earlier release published it
    revision INTEGER NOT NULL,
    PRIMARY KEY (hash, item)
) STRICT, WITHOUT ROWID;
INSERT INTO quiz_by_item (hash, item, body, revision) SELECT hash, item, body, 0 FROM quiz;
DROP TABLE quiz;
ALTER TABLE quiz_by_item RENAME TO quiz;
CREATE INDEX quiz_item ON quiz (item, revision);

-- For deleting expired rows of open_grade.
CREATE INDEX open_grade_first ON open_grade (first_ms);

-- The index of change numbers is not usable for a search by key. Until a table has statistics, the planner otherwise
-- prefers it to the primary key, and reads all rows of the learner for each row of a push.
DROP INDEX progress_usn;
CREATE UNIQUE INDEX progress_usn ON progress (tenant, user_id, usn) WHERE usn > 0;
DROP INDEX study_session_usn;
CREATE UNIQUE INDEX study_session_usn ON study_session (tenant, user_id, usn) WHERE usn > 0;
DROP INDEX attempt_usn;
CREATE UNIQUE INDEX attempt_usn ON attempt (tenant, user_id, usn) WHERE usn > 0;
DROP INDEX answer_usn;
CREATE UNIQUE INDEX answer_usn ON answer (tenant, user_id, usn) WHERE usn > 0;
DROP INDEX grade_usn;
CREATE UNIQUE INDEX grade_usn ON grade (tenant, user_id, usn) WHERE usn > 0;
DROP INDEX review_usn;
CREATE UNIQUE INDEX review_usn ON review (tenant, user_id, usn) WHERE usn > 0;
DROP INDEX review_void_usn;
CREATE UNIQUE INDEX review_void_usn ON review_void (tenant, user_id, usn) WHERE usn > 0;
DROP INDEX kv_usn;
CREATE UNIQUE INDEX kv_usn ON kv (tenant, user_id, usn) WHERE usn > 0;
DROP INDEX decision_usn;
CREATE UNIQUE INDEX decision_usn ON decision (tenant, user_id, usn) WHERE usn > 0;
DROP INDEX note_revision_usn;
CREATE UNIQUE INDEX note_revision_usn ON note_revision (tenant, user_id, usn) WHERE usn > 0;
DROP INDEX note_life_usn;
CREATE UNIQUE INDEX note_life_usn ON note_life (tenant, user_id, usn) WHERE usn > 0;

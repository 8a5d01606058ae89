-- Uploads of stories, which have no drafts and are published at once.
-- id of the story; empty before the end, and for a course
ALTER TABLE course_upload ADD COLUMN story TEXT NOT NULL DEFAULT '';

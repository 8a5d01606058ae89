-- Uploads of stories (migrations/server-sqlite/0024_story_uploads.sql).
ALTER TABLE course_upload ADD COLUMN story text COLLATE "C" NOT NULL DEFAULT '';

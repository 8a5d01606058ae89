-- The cache sends no writing requests, so stored responses are never invalidated (RFC 9111, 4.4).
ALTER TABLE entry DROP COLUMN invalid;

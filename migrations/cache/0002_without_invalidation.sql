-- No request of the cache writes, so no stored answer is ever invalidated (RFC 9111, 4.4).
ALTER TABLE entry DROP COLUMN invalid;

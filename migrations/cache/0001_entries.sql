-- cache.db: answers of one account's server, by path and query. May be deleted at any time.
CREATE TABLE entry (
  path TEXT NOT NULL,
  -- The request fields that Vary named, as they were: one "name: value" line each (RFC 9111, 4.1). Empty without Vary.
  selecting TEXT NOT NULL,
  -- The kept header fields of the answer, one "name: value" line each.
  head TEXT NOT NULL,
  -- Age when it arrived, with the time that the request took (RFC 9111, 4.2.3).
  initial_age_ms INTEGER NOT NULL,
  -- When it arrived: wall clock, and the monotonic clock of the run that stored it.
  stored_ms INTEGER NOT NULL,
  stored_mono_ms INTEGER NOT NULL,
  run BLOB NOT NULL,
  -- 1: something was written to this path; not to be used without asking (RFC 9111, 4.4).
  invalid INTEGER NOT NULL,
  -- Bytes that this row counts for.
  size INTEGER NOT NULL,
  -- Grows with each use: the smallest goes first.
  used INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (path, selecting)
) STRICT;
-- The order of eviction; with size and stored_ms a start counts without touching a body.
CREATE INDEX entry_used ON entry (used, size, stored_ms);

-- The library's lists, filled from /api/courses and /api/stories, so that filters and search work offline.
CREATE TABLE listed (
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  -- The server's order.
  position INTEGER NOT NULL,
  title TEXT NOT NULL,
  difficulty TEXT NOT NULL,
  level INTEGER NOT NULL,
  category TEXT NOT NULL,
  lang TEXT NOT NULL,
  -- Lower-case title, description and tags, for search.
  words TEXT NOT NULL,
  -- CourseSummary or StorySummary as JSON.
  summary TEXT NOT NULL,
  -- 1: not on the server's list, or not in this version, but on this device.
  only_here INTEGER NOT NULL,
  PRIMARY KEY (kind, id)
) STRICT;
CREATE INDEX listed_order ON listed (kind, position);

CREATE TABLE listed_state (
  kind TEXT NOT NULL PRIMARY KEY,
  as_of_ms INTEGER NOT NULL,
  -- Hash over the bodies of all pages: an unchanged list is not written again.
  digest BLOB NOT NULL
) STRICT;

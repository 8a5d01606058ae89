-- cache.db: answers of one account's server, by path and query. May be deleted at any time.
CREATE TABLE entry (
  path TEXT NOT NULL PRIMARY KEY,
  etag TEXT NOT NULL,
  last_modified TEXT NOT NULL,
  -- Seconds the answer is fresh, as the server or the route table said.
  fresh_s INTEGER NOT NULL,
  -- Seconds of age it had when it arrived (RFC 9111, 4.2.3).
  initial_age_s INTEGER NOT NULL,
  -- When it arrived: wall clock, and the monotonic clock of the run that stored it.
  stored_ms INTEGER NOT NULL,
  stored_mono_ms INTEGER NOT NULL,
  run BLOB NOT NULL,
  must_revalidate INTEGER NOT NULL,
  body BLOB NOT NULL
) STRICT, WITHOUT ROWID;

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
  PRIMARY KEY (kind, id)
) STRICT;
CREATE INDEX listed_order ON listed (kind, position);

CREATE TABLE listed_state (
  kind TEXT NOT NULL PRIMARY KEY,
  as_of_ms INTEGER NOT NULL,
  -- Hash over the bodies of all pages: an unchanged list is not written again.
  digest BLOB NOT NULL
) STRICT;

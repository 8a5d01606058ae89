-- cache.db: responses of the server of one account, by path and query. May be deleted at any time.
CREATE TABLE entry (
  path TEXT NOT NULL,
  -- Request fields listed in Vary with their values: one "name: value" line each (RFC 9111, 4.1). Empty without Vary.
  selecting TEXT NOT NULL,
  -- Stored header fields of the response, one "name: value" line each.
  head TEXT NOT NULL,
  -- Age when received, including the duration of the request (RFC 9111, 4.2.3).
  initial_age_ms INTEGER NOT NULL,
  -- When the response was received: wall clock, and monotonic clock of the run that stored it.
  stored_ms INTEGER NOT NULL,
  stored_mono_ms INTEGER NOT NULL,
  run BLOB NOT NULL,
  -- 1: invalidated by a write to this path; must be revalidated before use (RFC 9111, 4.4).
  invalid INTEGER NOT NULL,
  -- Size of this row in bytes, as counted for the budget.
  size INTEGER NOT NULL,
  -- Set to the next number at each use; the smallest is evicted first.
  used INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (path, selecting)
) STRICT;
-- Order of eviction; includes size and stored_ms, so that totals are computed at start-up without reading bodies.
CREATE INDEX entry_used ON entry (used, size, stored_ms);

-- The catalogue, from /api/courses and /api/stories.
CREATE TABLE listed (
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  -- Position in the server's list.
  position INTEGER NOT NULL,
  title TEXT NOT NULL,
  difficulty TEXT NOT NULL,
  level INTEGER NOT NULL,
  category TEXT NOT NULL,
  lang TEXT NOT NULL,
  -- Title, description, category and tags in lower case, for search.
  words TEXT NOT NULL,
  -- CourseSummary or StorySummary as JSON.
  summary TEXT NOT NULL,
  -- 1: on this device, but not in the server's list.
  only_here INTEGER NOT NULL,
  PRIMARY KEY (kind, id)
) STRICT;
CREATE INDEX listed_order ON listed (kind, position);

CREATE TABLE listed_state (
  kind TEXT NOT NULL PRIMARY KEY,
  as_of_ms INTEGER NOT NULL,
  -- Hash over the bodies of all pages, so that an unchanged list is not written again; empty to force a write.
  digest BLOB NOT NULL
) STRICT;

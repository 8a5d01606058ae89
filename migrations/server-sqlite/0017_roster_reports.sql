-- Reports of imports that were started over HTTP, for 30 days.
CREATE TABLE roster_report (
    id BLOB NOT NULL PRIMARY KEY,
    started_ms INTEGER NOT NULL,
    -- JSON; empty while the import is running
    report TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Work that is done by schedule, one row for each job. A process that runs one holds a lease; when the lease ends without a result
-- (the process died), another process takes the job.
CREATE TABLE job (
    name TEXT NOT NULL PRIMARY KEY,
    -- 9223372036854775807: not by itself
    due_ms INTEGER NOT NULL,
    -- begun since the last success
    attempts INTEGER NOT NULL DEFAULT 0,
    -- the process that runs it; '' for none
    worker TEXT NOT NULL DEFAULT '',
    lease_until_ms INTEGER NOT NULL DEFAULT 0,
    started_ms INTEGER NOT NULL DEFAULT 0,
    -- the last success
    succeeded_ms INTEGER NOT NULL DEFAULT 0,
    -- of the last try; '' after a success
    error TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE INDEX job_due ON job (due_ms);

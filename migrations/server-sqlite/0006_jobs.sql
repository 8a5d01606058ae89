-- Scheduled jobs, one row each. The process that runs a job holds a lease. If the lease expires without a result,
-- because the process died, another process may run the job.
CREATE TABLE job (
    name TEXT NOT NULL PRIMARY KEY,
    -- 9223372036854775807: the job runs only on request
    due_ms INTEGER NOT NULL,
    -- number of runs started since the last success
    attempts INTEGER NOT NULL DEFAULT 0,
    -- the process that holds the lease; '' if none
    worker TEXT NOT NULL DEFAULT '',
    lease_until_ms INTEGER NOT NULL DEFAULT 0,
    started_ms INTEGER NOT NULL DEFAULT 0,
    -- time of the last success; 0 if none
    succeeded_ms INTEGER NOT NULL DEFAULT 0,
    -- error of the last run; '' after a success
    error TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE INDEX job_due ON job (due_ms);

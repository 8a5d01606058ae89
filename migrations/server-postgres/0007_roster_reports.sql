-- Reports of imports that were started over HTTP, for 30 days.
CREATE TABLE roster_report (
    id bytea PRIMARY KEY,
    started_ms bigint NOT NULL,
    report text COLLATE "C" NOT NULL
);

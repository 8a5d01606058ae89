-- Stored figures of learners, and exports of reports (migrations/server-sqlite/0025_analytics.sql).
CREATE TABLE analytics_dirty (
    tenant integer NOT NULL,
    user_id bytea NOT NULL,
    course text COLLATE "C" NOT NULL,
    since_ms bigint NOT NULL,
    PRIMARY KEY (tenant, user_id, course),
    FOREIGN KEY (tenant, user_id) REFERENCES account (tenant, id) ON DELETE CASCADE
) WITH (autovacuum_vacuum_scale_factor = 0.02);
CALL restrict_to_tenant('analytics_dirty');
CREATE INDEX analytics_dirty_since ON analytics_dirty (tenant, since_ms);

CREATE TABLE analytics_course (
    tenant integer NOT NULL,
    user_id bytea NOT NULL,
    course text COLLATE "C" NOT NULL,
    figures text COLLATE "C" NOT NULL,
    detail text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, user_id, course),
    FOREIGN KEY (tenant, user_id) REFERENCES account (tenant, id) ON DELETE CASCADE
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02);
CALL restrict_to_tenant('analytics_course');
CREATE INDEX analytics_course_course ON analytics_course (tenant, course, user_id);

CREATE TABLE analytics_day (
    tenant integer NOT NULL,
    user_id bytea NOT NULL,
    day bigint NOT NULL,
    time_ms bigint NOT NULL,
    sections bigint NOT NULL,
    lessons bigint NOT NULL,
    attempts bigint NOT NULL,
    scored bigint NOT NULL,
    score_sum bigint NOT NULL,
    changed_ms bigint NOT NULL,
    PRIMARY KEY (tenant, user_id, day),
    FOREIGN KEY (tenant, user_id) REFERENCES account (tenant, id) ON DELETE CASCADE
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02);
CALL restrict_to_tenant('analytics_day');

CREATE TABLE report_export (
    tenant integer NOT NULL,
    id bytea NOT NULL,
    user_id bytea NOT NULL,
    spec text COLLATE "C" NOT NULL,
    names_learners bigint NOT NULL,
    created_ms bigint NOT NULL,
    state text COLLATE "C" NOT NULL CHECK (state IN ('waiting', 'running', 'finished', 'failed', 'cancelled')),
    progress bigint NOT NULL,
    attempts bigint NOT NULL,
    worker text COLLATE "C" NOT NULL,
    lease_until_ms bigint NOT NULL,
    pieces bigint NOT NULL,
    lines bigint NOT NULL,
    error text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, id),
    FOREIGN KEY (tenant, user_id) REFERENCES account (tenant, id) ON DELETE CASCADE
);
CALL restrict_to_tenant('report_export');
CREATE INDEX report_export_state ON report_export (tenant, state, lease_until_ms);
CREATE INDEX report_export_user ON report_export (tenant, user_id);
CREATE INDEX report_export_created ON report_export (tenant, created_ms);

CREATE TABLE report_export_piece (
    tenant integer NOT NULL,
    export bytea NOT NULL,
    number bigint NOT NULL,
    text text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, export, number),
    FOREIGN KEY (tenant, export) REFERENCES report_export (tenant, id) ON DELETE CASCADE
);
CALL restrict_to_tenant('report_export_piece');

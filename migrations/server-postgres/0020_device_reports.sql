-- What a device last reported about itself (migrations/server-sqlite/0026_device_reports.sql).
CREATE TABLE device_report (
    tenant integer NOT NULL,
    sign_in bytea NOT NULL,
    reported_ms bigint NOT NULL,
    report text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, sign_in),
    FOREIGN KEY (tenant, sign_in) REFERENCES sign_in (tenant, id) ON DELETE CASCADE
) WITH (fillfactor = 85);
CALL restrict_to_tenant('device_report');

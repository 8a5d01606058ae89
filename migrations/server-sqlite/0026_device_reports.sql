-- What a device last reported about itself. Deleted with the sign-in, and when the sign-in ends.
CREATE TABLE device_report (
    sign_in BLOB NOT NULL PRIMARY KEY REFERENCES sign_in (id) ON DELETE CASCADE,
    reported_ms INTEGER NOT NULL,
    -- JSON of DeviceReport
    report TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Which blobs each publication consists of.
CREATE TABLE publication_blob (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (kind, id, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX publication_blob_hash ON publication_blob (hash);
INSERT OR IGNORE INTO publication_blob (kind, id, hash)
    SELECT p.kind, p.id, unhex(json_extract(b.value, '$.hash'))
    FROM publication p, json_each(json_extract(p.manifest, '$.manifest'), '$.blobs') b;

-- Since when no publication has the blob; 0: one has it, or that was not looked at yet.
ALTER TABLE blob ADD COLUMN unused_since_ms INTEGER NOT NULL DEFAULT 0;

-- What derived summary, reply, quizzes and passages from the manifest. Another value than that of the running release: they are
-- derived again.
ALTER TABLE publication ADD COLUMN rendered_by TEXT NOT NULL DEFAULT '';

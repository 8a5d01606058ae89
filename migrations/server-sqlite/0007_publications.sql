-- The blobs of each publication.
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

-- Time since which no publication contains the blob; 0 if a publication contains it or this has not been checked.
ALTER TABLE blob ADD COLUMN unused_since_ms INTEGER NOT NULL DEFAULT 0;

-- Identifies the release that derived summary, reply, quizzes and passages from the manifest. If the running release
-- has a different identifier, it derives them again.
ALTER TABLE publication ADD COLUMN rendered_by TEXT NOT NULL DEFAULT '';

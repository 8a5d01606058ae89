//! The SQLite engine: access of the tests to its files, and databases of earlier releases.

use std::{path::Path, sync::Arc};

use axum::http::StatusCode;
use carrel_model::{
    Slug,
    lattice::{Row, Validate},
    wire::TokenReply,
};
use carrel_server::{
    Config, DataDir,
    store::{
        Engine, Kind,
        sqlite::{FILE, MIGRATIONS, SqliteEngine},
    },
};
use carrel_sqlite::{rows, rusqlite::Connection};
use serde_json::json;

use super::support::{Fixture, NOW, TestServer, device, fixture};

const MINUTE: i64 = 60_000;

pub struct SqliteFixture;

impl SqliteFixture {
    fn open(folder: &Path) -> Connection {
        carrel_sqlite::open(&folder.join(FILE), carrel_sqlite::Options::reader()).unwrap()
    }
}

impl Fixture for SqliteFixture {
    fn engine(&self) -> Arc<dyn Engine> {
        Arc::new(SqliteEngine)
    }
    fn count(&self, folder: &Path, table: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        Self::open(folder).query_row(&sql, [], |r| r.get(0)).unwrap()
    }
    fn execute(&self, folder: &Path, sql: &str) {
        let conn = carrel_sqlite::open(&folder.join(FILE), carrel_sqlite::Options::default());
        conn.unwrap().execute_batch(sql).unwrap();
    }
    fn drop_table(&self, folder: &Path, table: &str) {
        let conn = carrel_sqlite::open(&folder.join(FILE), carrel_sqlite::Options::default());
        conn.unwrap().execute_batch(&format!("DROP TABLE {table}")).unwrap();
    }
    fn stored_bytes(&self, folder: &Path) -> i64 {
        let conn = Self::open(folder);
        let size_of = |spec: &rows::TableSpec| -> i64 {
            let sql = format!("SELECT coalesce(sum({}), 0) FROM {}", rows::size(spec), spec.table);
            conn.query_row(&sql, [], |r| r.get(0)).unwrap()
        };
        rows::SPECS.iter().map(size_of).sum()
    }
    fn tables(&self, folder: &Path) -> Vec<String> {
        let conn = Self::open(folder);
        let mut stmt = conn.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
        let names = stmt.query_map([], |row| row.get(0)).unwrap();
        names.map(Result::unwrap).collect()
    }
    fn epoch(&self, folder: &Path) -> String {
        let sql = "SELECT value FROM server_fact WHERE name = 'epoch'";
        Self::open(folder).query_row(sql, [], |r| r.get(0)).unwrap()
    }
    fn variables(&self, _folder: &Path) -> Vec<(&'static str, String)> {
        Vec::new()
    }
    fn raw_bytes(&self, folder: &Path) -> Vec<u8> {
        let mut bytes = std::fs::read(folder.join(FILE)).unwrap();
        bytes.extend(std::fs::read(folder.join(format!("{FILE}-wal"))).unwrap_or_default());
        bytes
    }
}

/// A database of an earlier release: lower-case login keys, hashes of passwords as typed, random refresh tokens.
#[tokio::test]
async fn accounts_and_sign_ins_of_an_earlier_release_stay_valid() {
    sqlite_only!("earlier releases have SQLite only");
    use argon2::{Argon2, PasswordHasher, password_hash::SaltString};
    let server = TestServer::new();
    let data = server.dir.path().join("old");
    std::fs::create_dir(&data).unwrap();
    let mut conn =
        carrel_sqlite::open(&data.join("server.db"), carrel_sqlite::Options::default()).unwrap();
    carrel_sqlite::migrate(&mut conn, &carrel_server::store::sqlite::MIGRATIONS[..2], None, NOW)
        .unwrap();
    conn.execute("INSERT INTO server_fact (name, value) VALUES ('epoch', 'e')", []).unwrap();
    let decomposed = "cafe\u{301} au lait";
    let hash = |password: &str| {
        let salt = SaltString::encode_b64(&[7; 16]).unwrap();
        Argon2::default().hash_password(password.as_bytes(), &salt).unwrap().to_string()
    };
    let logins =
        ["Jos\u{e9}", "jose\u{301}", "pw3", "pw3\u{200b}", "Caf\u{e9}", "\u{130}lk", "\u{131}lk"];
    for (n, login) in logins.iter().enumerate() {
        conn.execute(
            "INSERT INTO account (id, login, login_key, name, role, password, created_ms) VALUES (?1, ?2, ?3, ?2, 'student', ?4, ?5)",
            (device(n as u128).0.as_bytes(), login, login.to_lowercase(), hash(decomposed), NOW + n as i64),
        )
        .unwrap();
    }
    let opaque = "an opaque refresh token";
    conn.execute(
        "INSERT INTO sign_in (id, user_id, device, device_name, redeemed, redeemed_ms, created_ms) VALUES (?1, ?2, ?3, '', 40, ?4, ?4)",
        (device(50).0.as_bytes(), device(0).0.as_bytes(), device(9).0.as_bytes(), NOW - 600_000),
    )
    .unwrap();
    for generation in 1..=41_i64 {
        let token =
            if generation == 41 { opaque.to_owned() } else { format!("older {generation}") };
        conn.execute(
            "INSERT INTO token (hash, sign_in, kind, generation, expires_ms) VALUES (?1, ?2, 'refresh', ?3, ?4)",
            (blake3::hash(token.as_bytes()).as_bytes(), device(50).0.as_bytes(), generation, NOW + 1_000_000_000),
        )
        .unwrap();
    }
    drop(conn);
    std::fs::write(data.join("signing.key"), format!("{}\n", "07".repeat(32))).unwrap();
    let config = carrel_server::Config {
        clock: std::sync::Arc::clone(&server.clock) as _,
        ..carrel_server::Config::new(&data)
    };
    let data_dir = carrel_server::DataDir::open(config).unwrap();
    let router = carrel_server::http::app(data_dir.app().unwrap());
    let server = TestServer { data_dir, router, ..server };
    // Each account is found by its exact login, even if another account now has its key.
    for (n, login) in logins.iter().enumerate() {
        for password in [decomposed, "caf\u{e9} au lait"] {
            let body = json!({"login": login, "password": password, "deviceId": device(60)});
            let reply: TokenReply = server.post("/api/auth/login", "", &body).await.ok();
            assert_eq!(reply.user.id.0, device(n as u128).0, "{login:?}");
        }
    }
    let body = json!({"login": "CAFE\u{301}", "password": decomposed, "deviceId": device(60)});
    let reply: TokenReply = server.post("/api/auth/login", "", &body).await.ok();
    assert_eq!(reply.user.id.0, device(4).0);
    // The earliest account gets the common key of all letters i.
    for login in ["ILK", "ilk\u{feff}"] {
        let body = json!({"login": login, "password": decomposed, "deviceId": device(60)});
        let reply: TokenReply = server.post("/api/auth/login", "", &body).await.ok();
        assert_eq!(reply.user.id.0, device(5).0, "{login:?}");
    }
    let next: TokenReply = server.refresh(opaque).await.ok();
    let next: TokenReply = server.refresh(&next.refresh_token).await.ok();
    assert!(server.accepts(&next.access_token).await);
    assert_eq!(server.refresh("older 3").await.status, StatusCode::UNAUTHORIZED);
    server.clock.advance(2 * MINUTE);
    assert_eq!(server.refresh(opaque).await.status, StatusCode::UNAUTHORIZED);
}

/// The blobs of a course are read from its stored manifest.
#[tokio::test]
async fn publications_of_an_earlier_release_keep_their_blobs_and_are_derived_again() {
    sqlite_only!("earlier releases have SQLite only");
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::new();
    server.publish().await;
    let course: Slug = "how-rivers-work".parse().unwrap();
    let published = server.data_dir.store.published(Kind::Course, &course).await.unwrap().unwrap();
    let blobs = server.data_dir.store.blobs().await.unwrap();
    let mut conn =
        carrel_sqlite::open(&dir.path().join(FILE), carrel_sqlite::Options::default()).unwrap();
    carrel_sqlite::migrate(&mut conn, &MIGRATIONS[..5], None, 0).unwrap();
    conn.execute(
        "INSERT INTO publication (kind, id, title, lang, category, difficulty, level, summary, reply, manifest, version, imported_ms)
         VALUES ('course', 'how-rivers-work', 'R', 'en', '', '', 0, '{}', '{}', ?1, ?2, 0)",
        (&published.manifest, published.version.0),
    )
    .unwrap();
    for blob in &blobs {
        conn.execute(
            "INSERT INTO blob (hash, size, media_type) VALUES (?1, ?2, '')",
            (blob.hash.0, blob.size as i64),
        )
        .unwrap();
    }
    conn.execute("INSERT INTO blob (hash, size, media_type) VALUES (zeroblob(32), 1, '')", [])
        .unwrap();
    drop(conn);
    std::fs::copy(server.folder().join("signing.key"), dir.path().join("signing.key")).unwrap();
    let data_dir = DataDir::open(Config::new(dir.path())).unwrap();
    let others = data_dir.store.rendered_by_others(None).await.unwrap();
    assert_eq!(others, [(Kind::Course, course)]);
    data_dir.store.delete_unused_blobs(1, 0).await.unwrap();
    assert_eq!(data_dir.store.delete_unused_blobs(2, 1).await.unwrap(), 1);
    assert_eq!(data_dir.store.blobs().await.unwrap().len(), blobs.len());
}

/// A row of 31 MiB stored by an earlier release is truncated when the database is opened, and valid afterwards.
#[tokio::test]
async fn an_oversized_row_of_an_earlier_release_is_truncated() {
    sqlite_only!("earlier releases have SQLite only");
    let dir = tempfile::tempdir().unwrap();
    let user = carrel_model::UserId::from_u128(7);
    {
        let path = dir.path().join("server.db");
        let mut conn = carrel_sqlite::open(&path, carrel_sqlite::Options::default()).unwrap();
        let old = &carrel_server::store::sqlite::MIGRATIONS[..2];
        carrel_sqlite::migrate(&mut conn, old, None, 0).unwrap();
        let execute = |sql: &str, extra: &str| {
            let id = user.0.as_bytes().as_slice();
            conn.execute(sql, (id, extra)).unwrap();
        };
        execute(
            "INSERT INTO account (id, login, login_key, name, role, password, usn, created_ms) VALUES (?1, 'noor', 'noor', ?2, 'student', '', 2, 0)",
            "Noor",
        );
        execute(
            "INSERT INTO server_fact (name, value) SELECT 'epoch', ?2 WHERE ?1 IS NOT NULL",
            "e1",
        );
        let fields: Vec<String> =
            (0..8_000).map(|n| format!(r#""f{n:05}":"{}""#, "v".repeat(4_000))).collect();
        let extra = format!("{{{}}}", fields.join(","));
        execute(
            "INSERT INTO progress (user_id, kind, item, generation, percent, pos_hlc, pos_device, pos_at, done_ms, extra, usn) VALUES (?1, 'section', 'a/b/c', 0, 500, 0, x'', '', 9223372036854775807, ?2, 1)",
            &extra,
        );
        // Answers submitted by a newer client, which the earlier release stored as an unknown field.
        let extra = r#"{"answers":{"q":"\"x\""},"mood":"keen"}"#;
        execute(
            "INSERT INTO attempt (user_id, id, payload_hash, quiz, quiz_hash, started_ms, submitted_ms, extra, usn) VALUES (?1, zeroblob(16), zeroblob(32), 'c/q', zeroblob(32), 1790000000000, 1790000000000, ?2, 2)",
            extra,
        );
    }
    // A database without a signing key would be refused.
    std::fs::write(dir.path().join("signing.key"), format!("{}\n", "7".repeat(64))).unwrap();
    let data_dir = DataDir::open(Config::new(dir.path())).unwrap();
    let (rows, more) = data_dir.store.pull(user, 0, 2_000, usize::MAX).await.unwrap();
    assert!(!more && rows.len() == 2);
    for (_, row) in &rows {
        assert_eq!(row.validate(), Ok(()));
    }
    let Row::Attempt(attempt) = &rows[1].1 else { panic!("{rows:?}") };
    assert_eq!(attempt.answers.as_ref().unwrap().values().next().unwrap(), "\"x\"");
    assert_eq!(attempt.extra.to_text(), r#"{"mood":"keen"}"#);
    let stored: i64 = {
        let path = dir.path().join("server.db");
        let conn = carrel_sqlite::open(&path, carrel_sqlite::Options::reader()).unwrap();
        let usage = "SELECT row_count, row_bytes FROM learner_usage";
        let (count, bytes): (i64, i64) =
            conn.query_row(usage, [], |r| Ok((r.get(0)?, r.get(1)?))).unwrap();
        assert_eq!((count, bytes), (2, fixture().stored_bytes(dir.path())));
        bytes
    };
    assert!(stored < 100 * 1024, "{stored}");
}

/// A changed byte in the stored text of a `CREATE` statement: SQLite's checks do not find it.
#[tokio::test]
async fn a_damaged_schema_is_refused_at_the_start_and_in_a_backup() {
    sqlite_only!("earlier releases have SQLite only");
    let server = TestServer::new();
    let copy = server.dir.path().join("copy");
    carrel_server::backup::backup(&SqliteEngine, &server.folder(), &copy, NOW).unwrap();
    let data = server.dir.path().join("damaged");
    std::fs::create_dir(&data).unwrap();
    let file = data.join(FILE);
    std::fs::copy(copy.join(FILE), &file).unwrap();
    std::fs::copy(server.folder().join("signing.key"), data.join("signing.key")).unwrap();
    for path in [&file, &copy.join(FILE)] {
        let mut bytes = std::fs::read(path).unwrap();
        let text = b"login_key TEXT";
        let at = bytes.windows(text.len()).position(|w| w == text).unwrap();
        bytes[at] ^= 2;
        std::fs::write(path, bytes).unwrap();
    }
    let refused = DataDir::open(Config::new(&data)).err().unwrap().to_string();
    assert!(refused.contains("damaged") && refused.contains("account"), "{refused}");
    let refused = SqliteEngine.check_copy(&copy).unwrap_err().to_string();
    assert!(refused.contains("account"), "{refused}");
}

#[tokio::test]
async fn passages_of_an_earlier_release_are_found() {
    sqlite_only!("earlier releases have SQLite only");
    let server = TestServer::new();
    let data = server.dir.path().join("old");
    std::fs::create_dir(&data).unwrap();
    let mut conn =
        carrel_sqlite::open(&data.join("server.db"), carrel_sqlite::Options::default()).unwrap();
    carrel_sqlite::migrate(&mut conn, &carrel_server::store::sqlite::MIGRATIONS[..7], None, NOW)
        .unwrap();
    conn.execute("INSERT INTO server_fact (name, value) VALUES ('epoch', 'e')", []).unwrap();
    for (kind, item) in [("course", "rivers"), ("section", "rivers/one/read")] {
        conn.execute(
            "INSERT INTO passage (root_kind, root, kind, item, lang, title, text)
             VALUES ('course', 'rivers', ?1, ?2, 'zh', 'T', '河流入海')",
            [kind, item],
        )
        .unwrap();
    }
    drop(conn);
    std::fs::write(data.join("signing.key"), format!("{}\n", "07".repeat(32))).unwrap();
    let data_dir = carrel_server::DataDir::open(carrel_server::Config::new(&data)).unwrap();
    let found =
        data_dir.store.search("流入", carrel_server::store::Audience::All, 0, 10).await.unwrap();
    let items: Vec<&str> = found.items.iter().map(|hit| hit.item.as_str()).collect();
    assert_eq!(items, ["rivers", "rivers/one/read"]);
}

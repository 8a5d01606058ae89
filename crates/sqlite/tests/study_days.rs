//! The migration to sync version 2: rows of version 1 keep their hashes, and fields that an older release stored as
//! unknown ones become columns.

use carrel_model::{UserId, lattice::Row};
use carrel_sqlite::{
    Migration, migrate, open_in_memory,
    rows::{self, Owner},
    rusqlite::{Connection, params},
};

const USER: &[&str] = &[
    include_str!("../../../migrations/user/0001_rows.sql"),
    include_str!("../../../migrations/user/0002_sync.sql"),
    include_str!("../../../migrations/user/0003_submitted_answers.sql"),
    include_str!("../../../migrations/user/0004_study_days.sql"),
];
const SERVER: &[&str] = &[
    include_str!("../../../migrations/server-sqlite/0001_rows.sql"),
    include_str!("../../../migrations/server-sqlite/0002_server.sql"),
    include_str!("../../../migrations/server-sqlite/0003_accounts.sql"),
    include_str!("../../../migrations/server-sqlite/0004_limits.sql"),
    include_str!("../../../migrations/server-sqlite/0005_attempt_limits.sql"),
    include_str!("../../../migrations/server-sqlite/0006_jobs.sql"),
    include_str!("../../../migrations/server-sqlite/0007_publications.sql"),
    include_str!("../../../migrations/server-sqlite/0008_search_terms.sql"),
    include_str!("../../../migrations/server-sqlite/0009_password_reset.sql"),
    include_str!("../../../migrations/server-sqlite/0010_single_characters.sql"),
    include_str!("../../../migrations/server-sqlite/0011_enrolment_tokens.sql"),
    include_str!("../../../migrations/server-sqlite/0012_study_days.sql"),
];

const ID: [u8; 16] = [0x11; 16];
const UUID: &str = "11111111-1111-1111-1111-111111111111";
/// 2026-11-20T12:00:00Z.
const NOON: i64 = 1_795_176_000_000;

fn migrate_to(conn: &mut Connection, all: &[&'static str], count: usize) {
    let migrations: Vec<_> = (1..)
        .zip(&all[..count])
        .map(|(number, sql)| Migration { number, name: "step", sql })
        .collect();
    migrate(conn, &migrations, None, 0).unwrap();
}

/// Rows as JSON: of version 1, of version 2, and of version 2 with a field of a later version.
fn cases() -> Vec<(&'static str, String)> {
    let hash = "a0".repeat(32);
    let review = format!(
        r#""type":"review","id":"{UUID}","word":"a/w","rating":3,"atMs":{NOON},"durationMs":2000"#
    );
    let new = r#""day":20778,"offMin":-300,"kind":"again_today","card":"en//it's \"w\"""#;
    let session = format!(
        r#""type":"session","id":"{UUID}","item":"a/b/c","device":"01234567-89ab-cdef-0123-456789abcdef","startedMs":{NOON},"day":"2026-11-20","activeMs":5"#
    );
    let attempt = format!(
        r#""type":"attempt","id":"{UUID}","quiz":"a/q","quizHash":"{hash}","startedMs":{NOON}"#
    );
    vec![
        ("version 1", format!("{{{review}}}")),
        ("version 2", format!(r#"{{{review},{new},"params":""}}"#)),
        ("version 2, trained", format!(r#"{{{review},{new},"params":"0123456789abcdef"}}"#)),
        ("version 3", format!(r#"{{{review},{new},"params":"","zeal":[1]}}"#)),
        ("a part of version 2", format!(r#"{{{review},{new}}}"#)),
        ("a kind of version 3", format!(r#"{{{review},"card":"en//w","kind":"sung","day":1}}"#)),
        ("session, version 1", format!("{{{session}}}")),
        ("session, version 2", format!(r#"{{{session},"offMin":0}}"#)),
        ("session, version 3", format!(r#"{{{session},"offMin":840,"zeal":null}}"#)),
        ("attempt, version 1", format!("{{{attempt}}}")),
        ("attempt, version 2", format!(r#"{{{attempt},"day":20777,"offMin":60}}"#)),
        (
            "attempt, submitted",
            format!(r#"{{{attempt},"day":20776,"offMin":-720,"submittedMs":{NOON}}}"#),
        ),
    ]
}

/// Stores a row as a release with sync version 1 does: its own columns, and all other fields as unknown ones.
fn insert_old(conn: &Connection, user: Option<UserId>, json: &str) {
    let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json).unwrap();
    let (table, known): (&str, &[&str]) = match fields["type"].as_str().unwrap() {
        "review" => ("review", &["type", "id", "word", "rating", "atMs", "durationMs"]),
        "session" => {
            ("study_session", &["type", "id", "item", "device", "startedMs", "day", "activeMs"])
        }
        _ => ("attempt", &["type", "id", "quiz", "quizHash", "startedMs", "submittedMs"]),
    };
    let (known, unknown): (serde_json::Map<_, _>, serde_json::Map<_, _>) =
        fields.into_iter().partition(|(name, _)| known.contains(&name.as_str()));
    let extra = match unknown.is_empty() {
        true => String::new(),
        false => serde_json::to_string(&unknown).unwrap(),
    };
    let old = Row::from_json(&serde_json::to_string(&known).unwrap()).unwrap();
    let (user_columns, user_values) = match user {
        Some(_) => (", user_id, usn", ", x'00000000000000000000000000000007', 1"),
        None => ("", ""),
    };
    let sql = |columns: &str, places: &str| {
        format!(
            "INSERT INTO {table} ({columns}, extra{user_columns}) VALUES ({places}{user_values})"
        )
    };
    match old {
        Row::Review(old) => {
            let columns = "id, payload_hash, word, rating, at_ms, duration_ms";
            let values = params![
                ID,
                old.payload_hash().0,
                old.word.as_str(),
                old.rating,
                old.at_ms,
                old.duration_ms,
                extra
            ];
            conn.execute(&sql(columns, "?1, ?2, ?3, ?4, ?5, ?6, ?7"), values)
        }
        Row::Session(old) => {
            let columns = "id, payload_hash, item, device, started_ms, day, active_ms";
            let values = params![
                ID,
                old.payload_hash().0,
                old.item.as_str(),
                old.device.0.as_bytes(),
                old.started_ms,
                old.day,
                old.active_ms,
                extra
            ];
            conn.execute(&sql(columns, "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8"), values)
        }
        Row::Attempt(old) => {
            let columns = "id, payload_hash, quiz, quiz_hash, started_ms, submitted_ms";
            let values = params![
                ID,
                old.payload_hash().0,
                old.quiz.as_str(),
                old.quiz_hash.0,
                old.started_ms,
                old.submitted_ms.unwrap_or(i64::MAX),
                extra
            ];
            conn.execute(&sql(columns, "?1, ?2, ?3, ?4, ?5, ?6, ?7"), values)
        }
        other => panic!("{other:?}"),
    }
    .unwrap();
}

#[test]
fn rows_of_older_releases_keep_their_history() {
    let user = UserId::from_u128(7);
    for (name, json) in cases() {
        let row = Row::from_json(&json).unwrap_or_else(|_| {
            // A kind of a later version: the fields stay unknown.
            let plain = format!("{}}}", json.split(",\"card\"").next().unwrap());
            Row::from_json(&plain).unwrap()
        });
        for (all, first, owner) in
            [(USER, USER.len() - 1, Owner::Client), (SERVER, SERVER.len() - 1, Owner::Server(user))]
        {
            let mut conn = open_in_memory().unwrap();
            migrate_to(&mut conn, all, first);
            let user = matches!(owner, Owner::Server(_)).then_some(user);
            insert_old(&conn, user, &json);
            migrate_to(&mut conn, all, all.len());
            let stored = rows::get(&conn, owner, &row.key()).unwrap().unwrap();
            let is_whole = !name.contains("a part") && !name.contains("a kind");
            if is_whole {
                assert_eq!(stored, row, "{name} {owner:?}");
            }
            // The stored hash is that of the row: a join with itself changes nothing and finds no conflict.
            let joined = rows::join(&conn, owner, &stored, 9).unwrap();
            assert!(!joined.changed && !joined.payload_conflict, "{name} {owner:?}: {joined:?}");
            let json_of = |row: &Row| serde_json::to_value(row).unwrap();
            let sent: serde_json::Value = serde_json::from_str(&json).unwrap();
            assert_eq!(json_of(&stored), sent, "{name} {owner:?}: what is sent did not change");
        }
    }
}

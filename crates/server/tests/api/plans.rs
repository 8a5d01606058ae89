//! PostgreSQL with a million rows. Plans: no route that is called by people or devices reads a large table from its
//! beginning to its end; `auto_explain` writes the plan of each statement to the log of the cluster. Moves: the school is
//! moved to SQLite and back (with `CARREL_LONG=1`).

use std::{collections::BTreeSet, fmt::Write as _, sync::Arc};

use axum::http::{Method, StatusCode};
use carrel_people::permissions::Rank;
use carrel_server::{
    Config, DataDir, Settings,
    http::{self, routes::all_routes},
    relocate::relocate,
    store::sqlite::SqliteEngine,
};
use serde_json::Value;
use tokio_postgres::Client;

use super::{
    postgres::{database_of, log_from, log_size, query, with_client},
    support::{TestServer, config, engine, progress},
};

/// A table with at least this number of rows must not be read as a whole.
const LARGE: f32 = 10_000.0;
/// Major version of PostgreSQL whose plans are in the snapshot; another one may choose others. Three runs with this
/// version gave the same shapes, although the statistics are made from samples. If a run differs without a change of
/// tables or statements, remove the snapshot: the rules about large tables are the test.
const PLANNED_BY: i32 = 15;
/// A page needs at most this number of rows that it does not return.
const MAX_REMOVED: i64 = 10_000;

/// Rows of a ministry: over a million, of 20,000 learners in 1,000 classes. Ids are MD5 hashes of numbers.
const FILL: &str = r"
SET session_replication_role = replica;
INSERT INTO account (id, login, login_key, login_skeleton, name, role, password, created_ms)
    SELECT decode(md5('u' || i), 'hex'), 'learner' || i, 'learner' || i, 'learner' || i, 'Learner ' || i,
        CASE WHEN i % 50 = 0 THEN 'instructor' ELSE 'student' END, 'x', i
    FROM generate_series(1, 20000) i;
INSERT INTO person (user_id, source_id, given, family)
    SELECT decode(md5('u' || i), 'hex'), 's' || i, 'Given' || i, 'Family' || i FROM generate_series(1, 20000) i;
INSERT INTO learner (user_id, usn, row_count, row_bytes)
    SELECT decode(md5('u' || i), 'hex'), 60, 60, 6000 FROM generate_series(1, 20000) i;
INSERT INTO class (id, source_id, name, name_key, courses)
    SELECT decode(md5('c' || i), 'hex'), 'c' || i, 'Class ' || i, 'class ' || i, '[]' FROM generate_series(1, 1000) i;
INSERT INTO membership (class, user_id, role)
    SELECT decode(md5('c' || 1 + i % 1000), 'hex'), decode(md5('u' || i), 'hex'),
        CASE WHEN i % 50 = 0 THEN 'instructor' ELSE 'student' END
    FROM generate_series(1, 20000) i;
INSERT INTO publication (kind, id, title, lang, category, difficulty, level, summary, reply, manifest, version,
        imported_ms, rendered_by, hours, learners)
    SELECT kind, id || i, title || ' ' || i, CASE WHEN i % 3 = 0 THEN 'fr' ELSE lang END, category,
        difficulty, level, summary, reply, manifest, version, imported_ms + i, rendered_by, i, i % 977
    FROM publication, generate_series(1, 20000) i;
INSERT INTO course (id, title, state, draft, draft_state, owner, for_classes, enrolment, changed_ms)
    SELECT 'how-rivers-work' || i, 'How rivers work ' || i, 'published', '', '', decode(md5('u' || i), 'hex'),
        false, 'open', i FROM generate_series(1, 20000) i;
INSERT INTO course_version (course, version, manifest, created_ms, author, notes, published_ms)
    SELECT c.id, v.version, v.manifest, v.created_ms, v.author, v.notes, v.published_ms
    FROM course c, course_version v WHERE v.course = 'how-rivers-work' AND c.id <> v.course;
INSERT INTO enrolment_request (course, user_id, stamp, requested_ms, status, decided_ms)
    SELECT 'how-rivers-work' || i / 10, decode(md5('u' || i), 'hex'), i, i, 'pending', 0
    FROM generate_series(1, 20000) i;
INSERT INTO progress (user_id, kind, item, generation, percent, pos_hlc, pos_device, pos_at, done_ms, usn)
    SELECT decode(md5('u' || i % 20000), 'hex'), 'section', 'course-' || i % 7 || '/lesson/' || i / 20000, 0, 5000,
        i, decode(md5('d'), 'hex'), 'b1', 0, i / 20000 FROM generate_series(0, 399999) i;
INSERT INTO review (user_id, id, payload_hash, word, rating, at_ms, duration_ms, day, off_min, kind, card, params, usn)
    SELECT decode(md5('u' || i % 20000), 'hex'), decode(md5('r' || i), 'hex'), decode(md5('h') || md5('h'), 'hex'), 'course/word-' || i % 500, 3, i,
        1000, 20000, 0, '', '', '', i / 20000 FROM generate_series(0, 299999) i;
INSERT INTO study_session (user_id, id, payload_hash, item, device, started_ms, day, off_min, active_ms, usn)
    SELECT decode(md5('u' || i % 20000), 'hex'), decode(md5('s' || i), 'hex'), decode(md5('h') || md5('h'), 'hex'),
        'course-1/lesson/s', decode(md5('d'), 'hex'),
        1789000000000 + i, '2026-09-20', 0, 60000, i / 20000 FROM generate_series(0, 99999) i;
INSERT INTO kv (user_id, ns, key, hlc, device, value, usn)
    SELECT decode(md5('u' || i % 20000), 'hex'), 'enrolment', 'how-rivers-work' || i % 997, i, decode(md5('d'), 'hex'),
        'true', i
    FROM generate_series(0, 99999) i ON CONFLICT DO NOTHING;
INSERT INTO attempt (user_id, id, payload_hash, quiz, quiz_hash, started_ms, day, off_min, submitted_ms, answers, usn)
    SELECT decode(md5('u' || i % 20000), 'hex'), decode(md5('a' || i), 'hex'), decode(md5('h') || md5('h'), 'hex'),
        'course-1/quiz', decode(md5('h') || md5('h'), 'hex'), i, 20000, 0, i, '', i / 20000 FROM generate_series(0, 39999) i;
INSERT INTO sign_in (id, user_id, device, device_name, created_ms, expires_ms)
    SELECT decode(md5('n' || i), 'hex'), decode(md5('u' || i), 'hex'), decode(md5('d'), 'hex'), '', 0,
        2000000000000
    FROM generate_series(1, 20000) i;
INSERT INTO token (hash, sign_in, kind, generation, expires_ms)
    SELECT decode(md5('t' || i) || md5('t' || i), 'hex'), decode(md5('n' || i), 'hex'), 'access', 0, 2000000000000
    FROM generate_series(1, 20000) i;
INSERT INTO audit (at_ms, actor, action, subject, detail)
    SELECT i, decode(md5('u50'), 'hex'), 'reset', decode(md5('u' || i), 'hex'), '' FROM generate_series(1, 50000) i;
INSERT INTO passage (root_kind, root, kind, item, lang, title, text, title_terms, text_terms, lexemes)
    SELECT p.root_kind, p.root || i, p.kind, p.item, p.lang, p.title, p.text || ' ' || i, p.title_terms,
        p.text_terms || 'n' || i || ' ', p.lexemes || to_tsvector('simple', 'n' || i)
    FROM (SELECT * FROM passage LIMIT 5) p, generate_series(1, 10000) i;
SET session_replication_role = DEFAULT;
";

/// Settings of the database for all later connections.
fn explain_statements(database: &str) -> String {
    [
        "session_preload_libraries = 'auto_explain'",
        "auto_explain.log_min_duration = 0",
        "auto_explain.log_format = 'json'",
        "auto_explain.log_analyze = on",
        "auto_explain.log_timing = off",
        "auto_explain.log_nested_statements = on",
    ]
    .map(|setting| format!("ALTER DATABASE {database} SET {setting};"))
    .concat()
}

/// A node of a plan that reads a large table.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Read {
    table: String,
    /// Empty for a sequential scan.
    index: String,
    removed: i64,
    statement: String,
}

/// Returns the plans in a part of the log: `plan:` at the end of a line, and JSON in the lines after it, which begin with
/// a tab.
fn plans(log: &str) -> Vec<Value> {
    log.split("plan:\n")
        .skip(1)
        .map(|text| {
            let lines: Vec<&str> = text.lines().take_while(|line| line.starts_with('\t')).collect();
            serde_json::from_str(&lines.join("\n")).unwrap_or_else(|e| panic!("{e}: {lines:?}"))
        })
        .collect()
}

/// Returns the names of the indexes in the bitmaps below a node.
fn bitmaps(node: &Value) -> Vec<&str> {
    let children = node["Plans"].as_array().into_iter().flatten();
    let parts = children
        .filter(|child| child["Node Type"].as_str().is_some_and(|kind| kind.starts_with("Bitmap")));
    parts.flat_map(|part| part["Index Name"].as_str().into_iter().chain(bitmaps(part))).collect()
}

/// Adds the reads of large tables below a node.
fn add_reads(node: &Value, large: &BTreeSet<String>, statement: &str, reads: &mut Vec<Read>) {
    let table = node["Relation Name"].as_str().unwrap_or_default().to_owned();
    // Left out: nodes that were not executed, and `ModifyTable`, whose children read the rows.
    let is_read = node["Actual Loops"].as_i64() != Some(0) && node["Node Type"] != "ModifyTable";
    if large.contains(&table) && is_read {
        let index =
            node["Index Name"].as_str().map_or_else(|| bitmaps(node).join(", "), str::to_owned);
        let loops = node["Actual Loops"].as_i64().unwrap_or(1);
        let removed = node["Rows Removed by Filter"].as_i64().unwrap_or(0) * loops;
        reads.push(Read { table, index, removed, statement: statement.to_owned() });
    }
    for child in node["Plans"].as_array().into_iter().flatten() {
        add_reads(child, large, statement, reads);
    }
}

/// Adds the shape of a plan: a line for each node with its type, and its index or table. Costs and numbers of rows
/// depend on the sample from which PostgreSQL makes its statistics.
fn add_shape(node: &Value, depth: usize, lines: &mut String) {
    let text = |name: &str| node[name].as_str().unwrap_or_default();
    let subject = match text("Index Name") {
        "" => text("Relation Name"),
        index => index,
    };
    let line = format!("{}{} {subject}", "  ".repeat(depth), text("Node Type"));
    writeln!(lines, "{}", line.trim_end()).unwrap();
    for child in node["Plans"].as_array().into_iter().flatten() {
        add_shape(child, depth + 1, lines);
    }
}

/// Requests of lists that the paths of the table of routes alone do not cover.
const QUERIES: &[&str] = &[
    "/api/courses?q=rivers%2019&pageSize=20",
    "/api/courses?difficulty=BEGINNER&lang=fr&page=3",
    "/api/courses?page=200&pageSize=50",
    "/api/courses/search?q=n77&language=fr&minHours=2",
    "/api/courses/search?page=2",
    "/api/stories?level=2",
    "/api/search?q=n77",
    "/api/search?q=river",
    "/api/me/progress?courseId=how-rivers-work5",
    "/api/progress?kind=section",
    "/api/sync/pull?since=30",
    "/api/v1/admin/people?q=family19",
    "/api/v1/admin/people?rank=instructor",
    "/api/v1/admin/people?state=suspended",
    "/api/v1/admin/courses?archived=true",
];

#[tokio::test]
async fn no_request_reads_a_large_table_as_a_whole() {
    if engine().name() != "postgres" {
        return eprintln!("skipped: concerns the plans of PostgreSQL");
    }
    let server = TestServer::new();
    server.publish().await;
    let database = database_of(&server.folder());
    with_client(&database, async |client: &mut Client| {
        client.batch_execute(FILL).await.unwrap();
        // A statement of its own, because it cannot run in a transaction.
        client.batch_execute("VACUUM ANALYZE").await.unwrap();
        client.batch_execute(&explain_statements(&database)).await.unwrap();
    });
    let sizes = query(
        &database,
        "SELECT relname::text, reltuples FROM pg_class
         WHERE relkind = 'r' AND relnamespace = 'carrel'::regnamespace",
    );
    let total: f32 = sizes.iter().map(|row| row.get::<_, f32>(1).max(0.0)).sum();
    assert!(total > 1_000_000.0, "{total} rows");
    let large: BTreeSet<String> =
        sizes.iter().filter(|row| row.get::<_, f32>(1) >= LARGE).map(|row| row.get(0)).collect();
    assert!(large.len() >= 15, "{large:?}");

    // Another server on the same data, whose connections begin with these settings.
    let settings = Settings { registration_open: true, ..Settings::default() };
    let clock = Arc::clone(&server.clock) as _;
    let config = Config { settings, clock, ..config(server.folder()) };
    let data_dir = DataDir::open(config).unwrap();
    let router = http::app(data_dir.app().unwrap());
    let server = TestServer { data_dir, router, ..server };
    let administrator = server.staff("ada", Rank::Administrator).await;
    let student = server.staff("sam", Rank::Student).await;
    let teacher = server.staff("tina", Rank::Instructor).await;
    server.class("5A", &teacher, &[&student]).await;
    server.push(&student.token, &[progress("how-rivers-work/meanders/read", 10_000)]).await;

    let user = uuid_of(&md5(&database, "u77"));
    let class = uuid_of(&md5(&database, "c77"));
    let mut requests: Vec<String> = QUERIES.iter().map(|path| (*path).to_owned()).collect();
    for route in all_routes() {
        // The stream of events does not end, and a sign-in page of a provider needs one.
        if route.method == Method::GET && !route.path.contains("oidc") {
            let path = route.path.replace("{userId}", &user).replace("{classId}", &class);
            let course = if path.contains("/stories/") { "the-heron" } else { "how-rivers-work77" };
            let path = path.replace("{id}", course).replace("{courseId}", course);
            let path = path.replace("{hash}", &"ab".repeat(32)).replace("{name}", "feed.json");
            requests.push(path.replace("{uploadId}", &user).replace("{runId}", &user));
        }
    }
    requests.sort();
    requests.dedup();
    let (mut problems, mut summary) = (Vec::new(), String::new());
    let mut shapes = Vec::new();
    for path in &requests {
        for member in [&student, &teacher, &administrator] {
            let from = log_size(&database);
            let reply = server.get(path, &member.token).await;
            let text = String::from_utf8_lossy(&reply.body);
            assert!(!reply.status.is_server_error(), "{path}: {} {text}", reply.status);
            assert_ne!(reply.status, StatusCode::TOO_MANY_REQUESTS, "{path}");
            let (mut reads, mut shapes_of_request) = (Vec::new(), BTreeSet::new());
            for plan in plans(&log_from(&database, from)) {
                let statement = plan["Query Text"].as_str().unwrap_or_default();
                let count = reads.len();
                add_reads(&plan["Plan"], &large, statement, &mut reads);
                if reads.len() > count {
                    let mut lines = String::new();
                    add_shape(&plan["Plan"], 1, &mut lines);
                    shapes_of_request.insert(lines);
                }
            }
            if member.id == administrator.id && QUERIES.contains(&path.as_str()) {
                shapes.push((path, shapes_of_request));
            }
            let bad = reads.iter().filter(|r| r.index.is_empty() || r.removed > MAX_REMOVED);
            problems.extend(bad.map(|read| format!("{path}: {read:?}")));
            if member.id == administrator.id {
                let indexes: BTreeSet<&str> =
                    reads.iter().map(|read| read.index.as_str()).collect();
                let list = indexes.into_iter().collect::<Vec<_>>().join(", ");
                writeln!(summary, "{} {path}: {list}", reply.status.as_u16()).unwrap();
            }
        }
    }
    eprintln!("{summary}");
    // Without those of each request, by which the caller is found.
    let common = shapes.iter().map(|(_, found)| found.clone()).reduce(|a, b| &a & &b).unwrap();
    let mut text = String::new();
    for (path, found) in &shapes {
        writeln!(text, "{path}").unwrap();
        found.difference(&common).for_each(|lines| writeln!(text, "{lines}").unwrap());
    }
    let version = "SELECT current_setting('server_version_num')::int4 / 10000";
    let version: i32 = query(&database, version)[0].get(0);
    if version == PLANNED_BY {
        insta::assert_snapshot!("plans_of_lists", text);
    } else {
        eprintln!("not compared with the plans of PostgreSQL {PLANNED_BY}:\n{text}");
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n\n"));
}

#[tokio::test]
async fn a_million_rows_are_moved_to_sqlite_and_back() {
    if engine().name() != "postgres" || std::env::var_os("CARREL_LONG").is_none() {
        return eprintln!("skipped: needs PostgreSQL and CARREL_LONG=1");
    }
    let server = TestServer::new();
    server.publish().await;
    let database = database_of(&server.folder());
    with_client(&database, async |client: &mut Client| client.batch_execute(FILL).await.unwrap());
    let TestServer { dir, data_dir, router, .. } = server;
    drop((data_dir, router));
    let at = |name: &str| config(dir.path().join(name));
    let sqlite = Config { engine: Arc::new(SqliteEngine), ..at("moved") };
    let (old, back) = (at("data"), at("back"));
    // Each move compares the digests of all tables.
    let moves = tokio::task::spawn_blocking(move || {
        let times = [(&old, &sqlite), (&sqlite, &back)].map(|(from, to)| {
            let start = std::time::Instant::now();
            (relocate(from, to).unwrap(), start.elapsed())
        });
        eprintln!("{times:?}");
        times.map(|(moved, _)| moved)
    });
    let [there, back] = moves.await.unwrap();
    assert!(there.rows > 1_000_000, "{there:?}");
    assert_eq!(there, back);
}

fn md5(database: &str, text: &str) -> Vec<u8> {
    query(database, &format!("SELECT decode(md5('{text}'), 'hex')"))[0].get(0)
}

fn uuid_of(id: &[u8]) -> String {
    uuid::Uuid::from_slice(id).unwrap().to_string()
}

#[test]
fn reads_of_a_plan_are_found() {
    let log = "LOG:  duration: 0 ms  plan:\n\t{\n\t\"Query Text\": \"SELECT 1\",\n\t\"Plan\": {\"Node Type\": \
        \"Bitmap Heap Scan\", \"Relation Name\": \"big\", \"Actual Loops\": 2, \"Rows Removed by Filter\": 3,\n\t\"Plans\": \
        [{\"Node Type\": \"Bitmap Index Scan\", \"Index Name\": \"i\"}, {\"Node Type\": \"Seq Scan\", \
        \"Relation Name\": \"big\"}, {\"Node Type\": \"Seq Scan\", \"Relation Name\": \"small\"}]}\n\t}\nLOG: next\n";
    let found = plans(log);
    assert_eq!(found.len(), 1);
    let mut reads = Vec::new();
    add_reads(&found[0]["Plan"], &["big".to_owned()].into(), "SELECT 1", &mut reads);
    let short: Vec<_> = reads.iter().map(|read| (read.index.as_str(), read.removed)).collect();
    assert_eq!(short, [("i", 6), ("", 0)]);
}

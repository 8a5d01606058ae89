//! PostgreSQL as the engine under test: one database for each data folder, copied from a template, in the cluster whose
//! address is in `CARREL_TEST_POSTGRES` (`cargo xtask with-postgres`).

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, Mutex},
};

use carrel_people::permissions::Caller;
use carrel_server::{
    Settings,
    store::{Engine, OpenOptions, Opened},
};
use carrel_sqlite::{open_immutable, rows};
use carrel_store::{CopyMetadata, Result, sqlite::FILE};
use carrel_store_postgres::{DatabaseUrl, PoolSettings, PostgresEngine};
use futures_util::StreamExt as _;
use serde_json::Value;
use tokio_postgres::{Client, NoTls, Row};

use super::support::{Fixture, NOW, TestServer, codes, engine, fixture, progress};

const TEMPLATE: &str = "carrel_template";

pub struct PostgresFixture;

/// `PostgresEngine`, with the database of a data folder chosen by its path. Tenants of a folder share its database.
#[derive(Debug, Default, Clone)]
struct EngineByFolder {
    created: Arc<Mutex<BTreeSet<String>>>,
    tenant: Option<String>,
}

fn cluster() -> String {
    std::env::var("CARREL_TEST_POSTGRES")
        .expect("CARREL_TEST_POSTGRES is set: run the tests with `cargo xtask with-postgres`")
}

/// Runs `f` with a connection, also on a thread that runs async tasks.
pub fn with_client<T: Send>(database: &str, f: impl AsyncFnOnce(&mut Client) -> T + Send) -> T {
    let config = format!(
        "{} dbname={database} options='-c search_path=carrel -c carrel.tenant=1'",
        cluster()
    );
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (mut client, connection) = tokio_postgres::connect(&config, NoTls).await.unwrap();
            tokio::spawn(connection);
            f(&mut client).await
        })
    };
    std::thread::scope(|scope| scope.spawn(run).join().unwrap())
}

pub fn query(database: &str, sql: &str) -> Vec<Row> {
    with_client(database, async |client: &mut Client| client.query(sql, &[]).await.unwrap())
}

fn engine_of(database: &str) -> PostgresEngine {
    let url = DatabaseUrl::new(&format!("{} dbname={database}", cluster())).unwrap();
    let settings = PoolSettings { min: 1, max: 8, ..PoolSettings::default() };
    PostgresEngine::new(url, settings)
}

/// Returns the name of the database of a folder: tests run in several processes.
pub fn database_of(folder: &Path) -> String {
    let hash = carrel_model::BlobHash::of(folder.as_os_str().as_encoded_bytes());
    format!("carrel_{}_{}", std::process::id(), &hash.to_hex()[..16])
}

/// Path of the cluster's log, which `cargo xtask with-postgres` writes into the folder of the socket.
fn log_path() -> String {
    let cluster = cluster();
    let host = cluster.split(' ').find_map(|part| part.strip_prefix("host=")).unwrap();
    format!("{host}/log")
}

/// Returns the size of the cluster's log in bytes.
pub fn log_size(database: &str) -> i64 {
    query(database, &format!("SELECT (pg_stat_file('{}')).size", log_path()))[0].get(0)
}

/// Returns the part of the cluster's log from an offset in bytes.
pub fn log_from(database: &str, offset: i64) -> String {
    let read = format!("SELECT pg_read_binary_file('{}', {offset}, 1 << 29)", log_path());
    String::from_utf8_lossy(query(database, &read)[0].get(0)).into_owned()
}

/// Returns the engine for the database of a folder behind `NoListen`, and its proxy. Messages are read at intervals.
#[cfg(unix)]
pub fn engine_without_listen(folder: &Path) -> (Arc<dyn Engine>, NoListen) {
    let cluster = cluster();
    let socket = cluster.split(' ').find_map(|part| part.strip_prefix("host=")).unwrap();
    let proxy = NoListen::start(Path::new(socket));
    let behind = cluster.replace(socket, proxy.folder.path().to_str().unwrap());
    let url = DatabaseUrl::new(&format!("{behind} dbname={}", database_of(folder))).unwrap();
    let poll = Some(std::time::Duration::from_millis(50));
    let settings = PoolSettings { min: 1, max: 8, poll, ..PoolSettings::default() };
    (Arc::new(PostgresEngine::new(url, settings)), proxy)
}

/// A proxy of a PostgreSQL server that closes connections on which LISTEN or NOTIFY is sent, like a server or a pooler
/// without them.
#[cfg(unix)]
pub struct NoListen {
    folder: tempfile::TempDir,
    /// Number of connections that were closed.
    pub closed: Arc<std::sync::atomic::AtomicUsize>,
}

#[cfg(unix)]
impl NoListen {
    const SOCKET: &str = ".s.PGSQL.5432";

    fn start(server: &Path) -> Self {
        use tokio::{
            io::{AsyncReadExt as _, AsyncWriteExt as _},
            net::{UnixListener, UnixStream},
        };
        let proxy = Self { folder: tempfile::tempdir().unwrap(), closed: Arc::default() };
        let listener = UnixListener::bind(proxy.folder.path().join(Self::SOCKET)).unwrap();
        let (server, closed) = (server.join(Self::SOCKET), Arc::clone(&proxy.closed));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (mut from_client, mut to_client) = client.into_split();
                let server = UnixStream::connect(&server).await.unwrap();
                let (mut from_server, mut to_server) = server.into_split();
                tokio::spawn(
                    async move { tokio::io::copy(&mut from_server, &mut to_client).await },
                );
                let closed = Arc::clone(&closed);
                tokio::spawn(async move {
                    let mut bytes = vec![0; 64 * 1024];
                    while let Ok(count @ 1..) = from_client.read(&mut bytes).await {
                        let sent = String::from_utf8_lossy(&bytes[..count]).to_lowercase();
                        if ["listen ", "notify"].iter().any(|word| sent.contains(word)) {
                            closed.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                            return;
                        }
                        to_server.write_all(&bytes[..count]).await.unwrap();
                    }
                });
            }
        });
        proxy
    }
}

/// Closes the connections on which servers of a folder's database receive messages, and returns their number.
pub fn end_listeners(folder: &Path) -> usize {
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND query LIKE 'LISTEN %'";
    query(&database_of(folder), sql).len()
}

impl EngineByFolder {
    /// Returns the database of a folder, which may be the folder of the tenant.
    fn database_of(&self, folder: &Path) -> String {
        match &self.tenant {
            Some(_) => database_of(folder.parent().and_then(Path::parent).unwrap()),
            None => database_of(folder),
        }
    }
    fn engine_of(&self, database: &str) -> Arc<dyn Engine> {
        let engine = engine_of(database);
        match &self.tenant {
            Some(tenant) => engine.for_tenant(tenant),
            None => Arc::new(engine),
        }
    }
    fn has(&self, database: &str) -> bool {
        self.created.lock().unwrap().contains(database)
    }
    /// Creates the database of a folder if it does not exist.
    fn create(&self, database: &str) {
        if !self.created.lock().unwrap().insert(database.to_owned()) {
            return;
        }
        with_client("postgres", async |client: &mut Client| {
            // One process at a time; the lock ends with the connection.
            client.batch_execute("SELECT pg_advisory_lock(7300)").await.unwrap();
            let exists = "SELECT 1 FROM pg_database WHERE datname = $1";
            if client.query_opt(exists, &[&TEMPLATE]).await.unwrap().is_none() {
                client.batch_execute(&format!("CREATE DATABASE {TEMPLATE}")).await.unwrap();
                let options = OpenOptions { readers: 0, now_ms: NOW };
                drop(engine_of(TEMPLATE).open(Path::new(""), options).unwrap());
                // Each copy gets its own epoch and server id.
                query(TEMPLATE, "DELETE FROM server_fact RETURNING name");
            }
            // The last connections to the template may still be closing.
            let others =
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
            client.query(others, &[&TEMPLATE]).await.unwrap();
            let copy = format!("CREATE DATABASE {database} TEMPLATE {TEMPLATE}");
            let mut tries = 0;
            while let Err(e) = client.batch_execute(&copy).await {
                tries += 1;
                assert!(tries < 100, "{e:?}");
                client.batch_execute("SELECT pg_sleep(0.05)").await.unwrap();
            }
        });
    }
}

impl Engine for EngineByFolder {
    fn name(&self) -> &'static str {
        "postgres"
    }
    fn file(&self) -> &'static str {
        engine_of("postgres").file()
    }
    fn is_in_folder(&self) -> bool {
        false
    }
    fn is_shared(&self) -> bool {
        engine_of("postgres").is_shared()
    }
    fn side_files(&self) -> &'static [&'static str] {
        &[]
    }
    fn for_tenant(&self, name: &str) -> Arc<dyn Engine> {
        Arc::new(Self { tenant: Some(name.to_owned()), ..self.clone() })
    }
    fn exists(&self, folder: &Path) -> Result<bool> {
        let database = self.database_of(folder);
        if self.has(&database) { self.engine_of(&database).exists(folder) } else { Ok(false) }
    }
    fn open(&self, folder: &Path, options: OpenOptions) -> Result<Opened> {
        let database = self.database_of(folder);
        self.create(&database);
        self.engine_of(&database).open(folder, options)
    }
    fn copy(&self, folder: &Path, into: &Path) -> Result<()> {
        self.engine_of(&self.database_of(folder)).copy(folder, into)
    }
    fn copy_metadata(&self, copy: &Path) -> Result<CopyMetadata> {
        engine_of("postgres").copy_metadata(copy)
    }
    fn check_copy(&self, copy: &Path) -> Result<()> {
        engine_of("postgres").check_copy(copy)
    }
    fn prepare_restored(&self, folder: &Path, end_sign_ins: bool, now_ms: i64) -> Result<String> {
        engine_of("postgres").prepare_restored(folder, end_sign_ins, now_ms)
    }
    fn load(&self, copy: &Path, folder: &Path) -> Result<()> {
        let database = self.database_of(folder);
        self.create(&database);
        self.engine_of(&database).load(copy, folder)
    }
}

impl Fixture for PostgresFixture {
    fn engine(&self) -> Arc<dyn Engine> {
        static ENGINE: std::sync::LazyLock<Arc<EngineByFolder>> =
            std::sync::LazyLock::new(Arc::default);
        Arc::clone(&ENGINE) as _
    }
    fn count(&self, folder: &Path, table: &str) -> i64 {
        query(&database_of(folder), &format!("SELECT count(*) FROM {table}"))[0].get(0)
    }
    fn execute(&self, folder: &Path, sql: &str) {
        with_client(&database_of(folder), async |client: &mut Client| {
            client.batch_execute(sql).await.unwrap();
        });
    }
    fn drop_table(&self, folder: &Path, table: &str) {
        with_client(&database_of(folder), async |client: &mut Client| {
            client.batch_execute(&format!("DROP TABLE {table} CASCADE")).await.unwrap();
        });
    }
    fn stored_bytes(&self, folder: &Path) -> i64 {
        let size_of = |spec: &rows::TableSpec| -> i64 {
            let size = rows::size(spec);
            let sql = format!("SELECT coalesce(sum({size}), 0)::int8 FROM {}", spec.table);
            query(&database_of(folder), &sql)[0].get(0)
        };
        rows::SPECS.iter().map(size_of).sum()
    }
    fn tables(&self, folder: &Path) -> Vec<String> {
        let sql = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'carrel'";
        query(&database_of(folder), sql).iter().map(|row| row.get(0)).collect()
    }
    fn epoch(&self, folder: &Path) -> String {
        let sql = "SELECT value FROM server_fact WHERE name = 'epoch'";
        query(&database_of(folder), sql)[0].get(0)
    }
    fn variables(&self, folder: &Path) -> Vec<(&'static str, String)> {
        let url = format!("{} dbname={}", cluster(), database_of(folder));
        vec![(carrel_server::database::URL_VARIABLE, url)]
    }
    fn raw_bytes(&self, folder: &Path) -> Vec<u8> {
        // All values of all tables.
        let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'carrel'";
        with_client(&database_of(folder), async |client: &mut Client| {
            let mut bytes = Vec::new();
            for table in client.query(tables, &[]).await.unwrap() {
                let copy = format!("COPY {} TO STDOUT (FORMAT binary)", table.get::<_, &str>(0));
                let mut rows = std::pin::pin!(client.copy_out(copy.as_str()).await.unwrap());
                while let Some(part) = rows.next().await {
                    bytes.extend_from_slice(&part.unwrap());
                }
            }
            bytes
        })
    }
}

/// The tests that end on PostgreSQL: those of databases of earlier releases. Raise this number only for a test that
/// concerns SQLite itself.
const SKIPPED: usize = 7;

#[test]
fn few_tests_concern_one_engine_only() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let sources = files.filter(|file| file.extension().is_some_and(|end| end == "rs"));
    let call = concat!("sqlite_only!", "(\"");
    let count: usize =
        sources.map(|file| std::fs::read_to_string(file).unwrap().matches(call).count()).sum();
    assert_eq!(count, SKIPPED);
}

/// Divides the tables of the learners' rows, as docs/SCALING.md describes it.
const PARTITIONS: &str = include_str!("../../../../packaging/server/partitions.sql");

#[tokio::test]
async fn rows_are_merged_pulled_and_backed_up_after_their_tables_were_partitioned() {
    // Other engines have no partitions.
    if engine().name() != "postgres" {
        return;
    }
    let server = TestServer::with(Settings { registration_open: true, ..Settings::default() });
    let mut learners = Vec::new();
    for n in 0..12 {
        learners.push(server.learner(&format!("learner-{n}")).await);
    }
    let item = |n: usize| format!("how-rivers-work/meanders/s{n}");
    for learner in &learners {
        let rows: Vec<Value> = (0..5).map(|n| progress(&item(n), 2_000)).collect();
        server.push(&learner.access_token, &rows).await.ok::<Value>();
    }
    fixture().execute(&server.folder(), PARTITIONS);
    // Stored rows are merged, new ones added, and everything is pulled once.
    for (n, learner) in learners.iter().enumerate() {
        let rows =
            [progress(&item(0), 1_000), progress(&item(1), 9_000), progress(&item(5 + n), 1)];
        let pushed: Value = server.push(&learner.access_token, &rows).await.ok();
        assert_eq!(codes(&pushed), ["ok"; 3]);
        let pulled = server.pull(&learner.access_token, 0).await;
        let percents: BTreeMap<String, u64> = pulled["rows"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| &row["row"])
            .map(|row| (row["item"].as_str().unwrap().to_owned(), row["percent"].as_u64().unwrap()))
            .collect();
        let mut expected: BTreeMap<String, u64> = (0..5).map(|n| (item(n), 2_000)).collect();
        expected.extend([(item(1), 9_000), (item(5 + n), 1)]);
        assert_eq!(percents, expected);
    }
    // Several partitions have rows, and one is read for a learner.
    let database = database_of(&server.folder());
    let counts =
        query(&database, "SELECT tableoid::regclass::text, count(*) FROM progress GROUP BY 1");
    assert!(counts.len() > 1, "{counts:?}");
    let total: i64 = counts.iter().map(|row| row.get::<_, i64>(1)).sum();
    assert_eq!(total, 12 * 6);
    let id = learners[0].user.id.0.simple();
    let plan =
        format!("EXPLAIN SELECT usn FROM progress WHERE user_id = '\\x{id}'::bytea AND usn > 0");
    let plan: Vec<String> = query(&database, &plan).iter().map(|row| row.get(0)).collect();
    let scanned = plan.iter().filter(|line| line.contains(" on progress_")).count();
    assert_eq!(scanned, 1, "{plan:#?}");
    // A backup has the rows, and a deletion reaches the partition.
    let backup = server.back_up("partitioned");
    let copied = open_immutable(&backup.join(FILE)).unwrap();
    let rows: i64 =
        copied.query_row("SELECT count(*) FROM progress", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 12 * 6);
    let by = Caller::COMMAND_LINE;
    server.data_dir.store.delete_person(by, learners[0].user.id, NOW).await.unwrap();
    assert_eq!(fixture().count(&server.folder(), "progress"), 11 * 6);
}

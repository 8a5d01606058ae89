//! Row-level security: what the role of the transactions can do with the rows of another tenant by any statement.

use carrel_model::{
    DeviceId, Hlc,
    lattice::{Extra, Kv, Row},
};
use carrel_store::{Engine, facts};
use carrel_store_postgres::PostgresEngine;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::{Database, OPTIONS, add_account, push, read, user, write};

/// What a statement must do.
#[derive(Debug, Clone, Copy)]
enum Expect {
    /// Return or change this number of rows; for a query with one number, return that number.
    Rows(u64),
    /// Fail with a message that contains the text.
    Error(&'static str),
}
use Expect::{Error, Rows};

/// Statements of the tenant 1, which has the account 1. The tenant 2 has the accounts 1 and 2.
const STATEMENTS: &[(&str, Expect)] = &[
    // Reading.
    ("SELECT count(*) FROM account", Rows(1)),
    ("SELECT count(*) FROM account WHERE tenant = 2", Rows(0)),
    ("SELECT count(*) FROM account WHERE tenant <> 1 OR true", Rows(1)),
    ("SELECT count(*) FROM ONLY account", Rows(1)),
    ("SELECT count(*) FROM account TABLESAMPLE BERNOULLI (100)", Rows(1)),
    ("SELECT count(*) FROM account a JOIN account b ON a.tenant <> b.tenant", Rows(0)),
    ("SELECT count(*) FROM kv RIGHT JOIN account ON true", Rows(5)),
    ("SELECT login FROM account WHERE tenant = 2 FOR UPDATE", Rows(0)),
    ("TABLE account", Rows(1)),
    ("SELECT count(*) FROM (SELECT * FROM account UNION ALL SELECT * FROM account) a", Rows(2)),
    (
        "SELECT strpos(query_to_xml('SELECT login FROM account', true, true, '')::text, 'learner-2')",
        Rows(0),
    ),
    ("SELECT count(*) FROM find_passages('hills'::tsquery)", Rows(0)),
    ("SELECT count(*) FROM passage", Rows(0)),
    ("SELECT count(*) FROM server_fact WHERE name = 'token_salt'", Rows(0)),
    ("SELECT count(*) FROM pg_stats WHERE schemaname = 'carrel' AND tablename = 'account'", Rows(0)),
    // A condition that fails on a row of the other tenant is not evaluated there.
    ("SELECT count(*) FROM account WHERE 1 / (login <> 'learner-2')::int = 1", Rows(1)),
    // Functions in pg_temp.
    (
        "CREATE FUNCTION pg_temp.seen(t text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS
            $$ BEGIN IF t = 'learner-2' THEN RAISE 'seen'; END IF; RETURN true; END $$;
         SELECT count(*) FROM account WHERE pg_temp.seen(login)",
        Rows(1),
    ),
    (
        "CREATE FUNCTION pg_temp.every() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = carrel
            AS 'SELECT count(*) FROM account'; SELECT pg_temp.every()",
        Rows(1),
    ),
    ("CREATE TEMP VIEW every AS SELECT * FROM carrel.account; SELECT count(*) FROM every", Rows(1)),
    // Without a tenant, or with a text that is not the id of a tenant.
    ("SET LOCAL carrel.tenant = ''; SELECT count(*) FROM account", Rows(0)),
    ("SET LOCAL carrel.tenant = '3'; SELECT count(*) FROM account", Rows(0)),
    ("SET LOCAL carrel.tenant = '1 OR true'; SELECT count(*) FROM account", Error("invalid input syntax")),
    ("SET LOCAL carrel.tenant = ''; INSERT INTO server_fact (name, value) VALUES ('x', '')", Error("row-level security")),
    // Changing.
    ("UPDATE account SET name = 'x' WHERE tenant = 2", Rows(0)),
    ("UPDATE account SET name = 'x'", Rows(1)),
    ("UPDATE account SET tenant = 2", Error("row-level security")),
    ("UPDATE kv SET tenant = 2", Error("row-level security")),
    ("DELETE FROM progress WHERE tenant = 2", Rows(0)),
    ("WITH gone AS (DELETE FROM kv RETURNING tenant) SELECT count(*) FROM gone WHERE tenant = 2", Rows(0)),
    ("INSERT INTO server_fact (tenant, name, value) VALUES (2, 'x', '')", Error("row-level security")),
    (
        "INSERT INTO server_fact (tenant, name, value) VALUES (2, 'epoch', 'x')
            ON CONFLICT (tenant, name) DO UPDATE SET value = excluded.value",
        Error("row-level security"),
    ),
    (
        "INSERT INTO server_fact (tenant, name, value) VALUES (2, 'epoch', 'x') ON CONFLICT DO NOTHING",
        Error("row-level security"),
    ),
    // A login and an id of the other tenant are free, so that nobody learns that they exist.
    (
        "INSERT INTO account (id, login, login_key, login_skeleton, name, role, password, created_ms)
            SELECT '\\x00000000000000000000000000000002', 'learner-2', 'learner-2', 'learner-2', '', 'student', '', 0",
        Rows(1),
    ),
    // A row cannot refer to a row of the other tenant.
    ("INSERT INTO learner (user_id) VALUES ('\\x00000000000000000000000000000002')", Error("foreign key")),
    // Tables without a tenant, and the schema.
    ("SELECT * FROM tenant", Error("permission denied")),
    ("INSERT INTO tenant (id, name, created_ms) VALUES (3, 'x', 0)", Error("permission denied")),
    ("SELECT * FROM schema_migration", Error("permission denied")),
    ("UPDATE cluster SET identity = ''", Error("permission denied")),
    ("DELETE FROM audit", Error("permission denied")),
    ("TRUNCATE account", Error("permission denied")),
    ("COPY account FROM STDIN", Error("not supported with row-level security")),
    ("SET LOCAL row_security = off; SELECT count(*) FROM account", Error("row-level security")),
    ("ALTER TABLE account DISABLE ROW LEVEL SECURITY", Error("must be owner")),
    ("ALTER TABLE account NO FORCE ROW LEVEL SECURITY", Error("must be owner")),
    ("DROP POLICY tenant ON account", Error("must be owner")),
    ("CREATE POLICY every ON account USING (true)", Error("must be owner")),
    ("CREATE TABLE carrel.copied AS SELECT 1", Error("permission denied")),
    ("CREATE FUNCTION carrel.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", Error("permission denied")),
    ("CREATE OR REPLACE FUNCTION carrel.current_tenant() RETURNS int LANGUAGE sql AS 'SELECT 2'", Error("permission denied")),
    ("CREATE TRIGGER t AFTER INSERT ON account EXECUTE FUNCTION suppress_redundant_updates_trigger()", Error("permission denied")),
    ("CREATE RULE r AS ON INSERT TO account DO INSTEAD NOTHING", Error("must be owner")),
    ("GRANT SELECT ON tenant TO PUBLIC", Error("permission denied")),
    ("ALTER ROLE CURRENT_USER BYPASSRLS", Error("must be superuser")),
    ("CREATE ROLE other BYPASSRLS", Error("must be superuser")),
    ("SELECT pg_read_file('/etc/passwd')", Error("permission denied")),
    ("COPY account TO PROGRAM 'cat'", Error("must be superuser")),
    ("CREATE EXTENSION dblink", Error("permission denied")),
];

fn hills(engine: &PostgresEngine) -> std::sync::Arc<dyn Engine> {
    engine.for_tenant("hills")
}

fn setting(number: u64) -> Row {
    Row::Kv(Kv {
        ns: "setting".to_owned(),
        key: format!("key-{number}"),
        value: "1".to_owned(),
        hlc: Hlc::ZERO.tick(1),
        device: DeviceId::from_u128(1),
        extra: Extra::default(),
    })
}

/// Runs statements and returns the number of rows of the last one, or its only number.
async fn run(client: &Client, sql: &str) -> Result<u64, String> {
    let messages = client
        .simple_query(sql)
        .await
        .map_err(|e| e.as_db_error().map_or_else(|| e.to_string(), |e| e.message().to_owned()))?;
    let (mut rows, mut number) = (0, None);
    for message in &messages {
        match message {
            SimpleQueryMessage::Row(row) if row.len() == 1 => {
                number = row.get(0).and_then(|value| value.parse().ok());
            }
            SimpleQueryMessage::CommandComplete(count) => rows = *count,
            _ => {}
        }
    }
    Ok(number.unwrap_or(rows))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_statement_of_a_tenant_reaches_another() {
    let Some(database) = Database::new().await else { return };
    let engine = database.engine();
    let first = engine.open(std::path::Path::new(""), OPTIONS).unwrap();
    let second = hills(&engine).open(std::path::Path::new(""), OPTIONS).unwrap();
    write(&first, |tx| add_account(tx, 1)).await.unwrap();
    for number in [1, 2] {
        write(&second, move |tx| add_account(tx, number)).await.unwrap();
    }
    let rows: Vec<Row> = (0..5).map(setting).collect();
    for opened in [&first, &second] {
        let rows = rows.clone();
        write(opened, move |tx| push(tx, user(1), &rows)).await.unwrap();
    }
    let client = database.client().await;
    client
        .batch_execute(
            "INSERT INTO passage (tenant, root_kind, root, kind, item, lang, title, text, title_terms, text_terms, lexemes)
             VALUES (2, 'course', 'c', 'course', 'c', 'en', 'Hills', '', ' hills ', '', 'hills');
             ANALYZE account",
        )
        .await
        .unwrap();
    let role = format!("SET ROLE \"{}_app\"", database.name);
    client.batch_execute(&role).await.unwrap();
    assert!(STATEMENTS.len() >= 30);
    let mut wrong = Vec::new();
    for (sql, expected) in STATEMENTS {
        client.batch_execute("BEGIN; SET LOCAL carrel.tenant = '1'").await.unwrap();
        let result = run(&client, sql).await;
        client.batch_execute("ROLLBACK").await.unwrap();
        let is_expected = match (&result, expected) {
            (Ok(rows), Rows(expected)) => rows == expected,
            (Err(message), Error(expected)) => message.contains(expected),
            _ => false,
        };
        if !is_expected {
            wrong.push(format!("{sql}: {result:?}, expected {expected:?}"));
        }
    }
    assert_eq!(wrong, [""; 0]);
    drop((first, second));
    client.batch_execute("RESET ROLE").await.unwrap();
    database.drop().await;
}

/// Every table has the tenant first in every key and a forced policy, so that a new table without them is noticed.
#[tokio::test(flavor = "multi_thread")]
async fn every_table_is_restricted_to_the_tenant() {
    let Some(database) = Database::new().await else { return };
    drop(database.open());
    let client = database.client().await;
    let sql = "SELECT c.relname::text,
            c.relrowsecurity AND (c.relforcerowsecurity OR c.relname = 'passage')
                AND EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid AND p.polcmd = '*'),
            coalesce((SELECT pg_get_expr(d.adbin, d.adrelid) = 'current_tenant()' FROM pg_attrdef d
                JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
                WHERE d.adrelid = c.oid AND a.attname = 'tenant'), false),
            ARRAY(SELECT i.indexrelid::regclass::text FROM pg_index i
                JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam
                WHERE i.indrelid = c.oid AND m.amname = 'btree' AND pg_get_indexdef(i.indexrelid, 1, true) <> 'tenant'),
            ARRAY(SELECT conname::text FROM pg_constraint f WHERE f.conrelid = c.oid AND f.contype = 'f'
                AND pg_get_constraintdef(f.oid) NOT LIKE 'FOREIGN KEY (tenant, %')
        FROM pg_class c WHERE c.relnamespace = 'carrel'::regnamespace AND c.relkind = 'r'
            AND c.relname NOT IN ('schema_migration', 'tenant', 'cluster', 'message') ORDER BY 1";
    let tables = client.query(sql, &[]).await.unwrap();
    assert!(tables.len() > 30);
    for table in tables {
        let name: String = table.get(0);
        assert!(table.get::<_, bool>(1), "{name} has no forced policy");
        assert!(table.get::<_, bool>(2), "{name} has no default for the tenant");
        assert_eq!(table.get::<_, Vec<String>>(3), [""; 0], "{name}: indexes without the tenant");
        assert_eq!(
            table.get::<_, Vec<String>>(4),
            [""; 0],
            "{name}: references without the tenant"
        );
    }
    drop(client);
    database.drop().await;
}

/// The transactions of two tenants use the same connections in turn.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_keeps_no_tenant() {
    let Some(database) = Database::new().await else { return };
    let engine = database.engine();
    let first = engine.open(std::path::Path::new(""), OPTIONS).unwrap();
    let second = hills(&engine).open(std::path::Path::new(""), OPTIONS).unwrap();
    let mut ids = Vec::new();
    for _ in 0..20 {
        for opened in [&first, &second] {
            ids.push(read(opened, |tx| tx.fact(facts::SERVER_ID)).await.unwrap().unwrap());
            // A write that fails in the middle.
            let failed = write(opened, |tx| {
                tx.set_fact(facts::CATALOGUE, "x")?;
                Err::<(), _>(carrel_store::StoreError::closed())
            });
            assert!(failed.await.is_err());
        }
    }
    assert_ne!(ids[0], ids[1]);
    assert!(ids.chunks(2).all(|pair| pair == &ids[..2]));
    drop((first, second));
    // Opening again finds the same tenants.
    let second = hills(&engine).open(std::path::Path::new(""), OPTIONS).unwrap();
    assert_eq!(
        read(&second, |tx| tx.fact(facts::SERVER_ID)).await.unwrap().as_ref(),
        Some(&ids[1])
    );
    drop(second);
    database.drop().await;
}

//! Operations on a whole database.

use std::{path::Path, sync::Arc};

use carrel_store::{
    CopyMetadata, Engine, OpenOptions, Opened, Reason, Result, StoreError, facts,
    sqlite::{self, SqliteEngine},
};
use tokio_postgres::Client;

use crate::{
    cluster::{self, Cluster, Shared},
    copies, error,
    limits::PgLimits,
    messages::PgMessages,
    settings::{DatabaseUrl, PoolSettings},
    transactions::PgTransactions,
    tx::set_tenant_sql,
};

/// A tenant of a database of a PostgreSQL server. The data folder contains the other files of the server.
#[derive(Debug, Clone)]
pub struct PostgresEngine {
    url: DatabaseUrl,
    settings: PoolSettings,
    /// Empty for the data of a database without tenants.
    tenant: String,
    /// Clones share the connections.
    shared: Shared,
}

impl PostgresEngine {
    /// Returns the engine for the data without a tenant's name.
    pub fn new(url: DatabaseUrl, settings: PoolSettings) -> Self {
        Self { url, settings, tenant: String::new(), shared: Shared::default() }
    }
}

impl Engine for PostgresEngine {
    fn name(&self) -> &'static str {
        "postgres"
    }
    fn is_in_folder(&self) -> bool {
        false
    }
    fn is_shared(&self) -> bool {
        true
    }
    fn file(&self) -> &'static str {
        sqlite::FILE
    }
    fn side_files(&self) -> &'static [&'static str] {
        &[]
    }
    fn for_tenant(&self, name: &str) -> Arc<dyn Engine> {
        Arc::new(Self { tenant: name.to_owned(), ..self.clone() })
    }
    fn exists(&self, _folder: &Path) -> Result<bool> {
        cluster::with_owner(&self.url, &self.settings, async |owner: &Client| -> Result<bool> {
            has_server(owner, &self.tenant).await.map_err(|e| error::of(&e))
        })
    }
    fn open(&self, _folder: &Path, options: OpenOptions) -> Result<Opened> {
        let cluster = Cluster::open(&self.shared, &self.url, &self.settings, options.now_ms)?;
        if !self.tenant.is_empty() && !cluster.has_app_role {
            return Err(StoreError::Internal(Reason {
                message: "PostgreSQL: a database with several tenants needs the role DATABASE_app"
                    .to_owned(),
                hint: "run as an administrator: CREATE ROLE \"carrel_app\" NOLOGIN; GRANT \"carrel_app\" TO carrel",
            }));
        }
        let open = async |owner: &Client| -> Result<(i32, String)> {
            let tenant = cluster::tenant(owner, &self.tenant, options.now_ms).await?;
            let salt = token_salt(owner, tenant).await.map_err(|e| error::of(&e))?;
            Ok((tenant, salt))
        };
        let (tenant, token_salt) = cluster::with_owner(&self.url, &self.settings, open)?;
        let writes = Arc::default();
        let messages = PgMessages::new(Arc::clone(&cluster), tenant, Arc::clone(&writes));
        let limits = PgLimits::new(Arc::clone(&cluster), tenant);
        Ok(Opened {
            limits: Some(Arc::new(limits)),
            transactions: Box::new(PgTransactions::new(cluster, tenant, writes)),
            messages: Some(Box::new(messages)),
            token_salt,
        })
    }
    fn copy(&self, _folder: &Path, into: &Path) -> Result<()> {
        cluster::with_owner(&self.url, &self.settings, async |owner: &Client| {
            copies::export(owner, self.tenant_id(owner).await?, into).await
        })
    }
    fn copy_metadata(&self, copy: &Path) -> Result<CopyMetadata> {
        SqliteEngine.copy_metadata(copy)
    }
    fn check_copy(&self, copy: &Path) -> Result<()> {
        SqliteEngine.check_copy(copy)
    }
    fn prepare_restored(&self, folder: &Path, end_sign_ins: bool, now_ms: i64) -> Result<String> {
        SqliteEngine.prepare_restored(folder, end_sign_ins, now_ms)
    }
    fn load(&self, copy: &Path, folder: &Path) -> Result<()> {
        // Creates the tables and the tenant.
        drop(self.open(folder, OpenOptions { readers: 1, now_ms: 0 })?);
        cluster::with_owner(&self.url, &self.settings, async |owner: &Client| {
            copies::import(owner, self.tenant_id(owner).await?, copy).await
        })
    }
}

impl PostgresEngine {
    async fn tenant_id(&self, owner: &Client) -> Result<i32> {
        let found = owner.query_opt("SELECT id FROM tenant WHERE name = $1", &[&self.tenant]).await;
        let found = found.map_err(|e| error::of(&e))?.map(|row| row.get(0));
        found.ok_or_else(|| {
            let message = format!("PostgreSQL: the tenant {:?} was not found", self.tenant);
            StoreError::Internal(message.into())
        })
    }
}

/// Returns true if the database has the data of a server for the tenant.
async fn has_server(owner: &Client, tenant: &str) -> Result<bool, tokio_postgres::Error> {
    let tables = "SELECT to_regclass('carrel.server_fact') IS NOT NULL, to_regclass('carrel.tenant') IS NOT NULL";
    let row = owner.query_one(tables, &[]).await?;
    let (has_facts, has_tenants): (bool, bool) = (row.get(0), row.get(1));
    if !has_facts || (!has_tenants && !tenant.is_empty()) {
        return Ok(false);
    }
    let mut sql = "SELECT EXISTS (SELECT 1 FROM server_fact WHERE name = $1".to_owned();
    owner.batch_execute("BEGIN").await?;
    if has_tenants {
        let found = owner.query_opt("SELECT id FROM tenant WHERE name = $1", &[&tenant]).await?;
        let id: i32 = found.map_or(0, |row| row.get(0));
        owner.batch_execute(&set_tenant_sql(id)).await?;
        sql += " AND tenant = current_tenant()";
    }
    let row = owner.query_one(&format!("{sql})"), &[&facts::SERVER_ID]).await?;
    owner.batch_execute("ROLLBACK").await?;
    Ok(row.get(0))
}

async fn token_salt(owner: &Client, tenant: i32) -> Result<String, tokio_postgres::Error> {
    owner.batch_execute(&format!("BEGIN; {}", set_tenant_sql(tenant))).await?;
    let sql = "SELECT value FROM server_fact WHERE tenant = current_tenant() AND name = $1";
    let row = owner.query_opt(sql, &[&facts::TOKEN_SALT]).await?;
    owner.batch_execute("ROLLBACK").await?;
    Ok(row.map(|row| row.get(0)).unwrap_or_default())
}

/// Refuses a server or a database that cannot store what this program writes.
pub(crate) async fn check(client: &Client) -> Result<()> {
    let sql =
        "SELECT current_setting('server_version_num')::int, current_setting('server_version'),
        current_setting('server_encoding'), pg_is_in_recovery()";
    let row = client.query_one(sql, &[]).await.map_err(|e| error::of(&e))?;
    let (number, version): (i32, String) = (row.get(0), row.get(1));
    let (encoding, is_standby): (String, bool) = (row.get(2), row.get(3));
    let refused = |message: String, hint: &'static str| {
        Err(StoreError::Internal(Reason { message: format!("PostgreSQL: {message}"), hint }))
    };
    if number < MIN_VERSION {
        return refused(format!("version {version} is too old"), "use PostgreSQL 14 or later");
    }
    if encoding != "UTF8" {
        return refused(
            format!("the database has the encoding {encoding}"),
            "create it with createdb --encoding UTF8 --template template0 NAME",
        );
    }
    if is_standby {
        return Err(StoreError::Unavailable(Reason {
            message: "PostgreSQL: the server is a standby, which cannot be written".to_owned(),
            hint: "name the primary, or several hosts with target_session_attrs=read-write",
        }));
    }
    Ok(())
}

/// PostgreSQL 14, as in `server_version_num`.
const MIN_VERSION: i32 = 140_000;

//! The library of one account: catalogue, verified manifests, bodies, search, also offline.
//!
//! Not here: progress (`carrel-learning`), storing blobs (`blobs`), downloading a course (`download`).

mod catalogue;
mod key_trust;
mod local_entries;
mod pages;
mod reading;
mod search;

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use carrel_http_cache::{
    ByteLru, Cache, CacheConfig, Cached, DISK_BUDGET, InFlight, Origin, ROUTES, Rejection,
    ResponseValidator,
};
use carrel_model::{
    BlobHash, Slug,
    content::{Manifest, SignedManifest},
    wire::ListPage,
};
use carrel_net::{Error as Net, Http};
use carrel_sqlite::{Change, Changes, Database};
use carrel_system::{Clock, IdGen, blocking};
pub use catalogue::{Filter, Listing};
pub use pages::FoundSection;
use rusqlite::OptionalExtension;
pub use search::{Hit, HitKind, MAX_HITS, SearchPage};
use serde::de::DeserializeOwned;

use crate::{
    Error, Kind, Result,
    blobs::{BlobLocation, BlobOrigin, BlobStore},
    fetch::BlobFetcher,
    storage::Storage,
};

/// Where a manifest is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ManifestSource {
    Server,
    Device,
}

/// Dependencies of one account's content.
pub struct ContentConfig {
    /// The storage, shared by the users of this device.
    pub storage: Storage,
    /// The folder of the account, which contains `cache.db`.
    pub account_dir: PathBuf,
    /// Key of the account in `content.db`.
    pub account: String,
    /// The server's address, without a trailing slash.
    pub base_url: String,
    /// Address of a mirror of the server's blobs, which is used before the server.
    pub mirror_url: Option<String>,
    /// HTTP client of the account, which adds the access token.
    pub http: Arc<dyn Http>,
    /// Clock for ages and use times.
    pub clock: Arc<dyn Clock>,
    /// Source of ids for the cache.
    pub ids: Arc<dyn IdGen>,
    /// Receives change events.
    pub changes: Changes,
}

/// A manifest whose signature was verified.
#[derive(Debug)]
pub struct OpenManifest {
    /// The parsed manifest.
    pub manifest: Manifest,
    /// Hash of the signed text, which identifies the version.
    pub version: BlobHash,
    /// The signed text with its key and signature.
    pub signed: SignedManifest,
}

/// A value with its age.
#[derive(Debug, Clone)]
pub struct Dated<T> {
    /// The value.
    pub value: T,
    /// When the server last confirmed it (UTC, ms); 0 if unknown.
    pub as_of_ms: i64,
    /// Stale according to the route table.
    pub stale: bool,
    /// The server cannot be reached.
    pub offline: bool,
}

/// The library. Clones share state; see `without_waiting`.
#[derive(Clone)]
pub struct Library {
    inner: Arc<LibraryInner>,
    waits_for_network: bool,
}

struct LibraryInner {
    account: String,
    base_url: String,
    cache: Cache,
    /// `cache.db`, for the lists of courses and stories.
    lists: Database<Error>,
    content: Database<Error>,
    blobs: BlobStore,
    fetcher: BlobFetcher,
    storage: Storage,
    http: Arc<dyn Http>,
    clock: Arc<dyn Clock>,
    changes: Changes,
    manifests: ByteLru<BlobHash, Arc<OpenManifest>>,
    fetching: InFlight<BlobHash, Result<(), Error>>,
    repair: OnceLock<RepairCallback>,
}

/// Called when a ready download is found to be incomplete.
type RepairCallback = Box<dyn Fn() + Send + Sync>;

/// Calls the `RepairCallback` when dropped, so that it is also called if the task is cancelled.
struct RepairGuard<'l>(&'l Library);

impl Drop for RepairGuard<'_> {
    fn drop(&mut self) {
        // Without a runtime the process is shutting down; the download resumes at the next start.
        if let (Some(repair), Ok(_)) =
            (self.0.inner.repair.get(), tokio::runtime::Handle::try_current())
        {
            repair();
        }
    }
}

impl Library {
    /// Opens the account's `cache.db`.
    pub fn open(config: &ContentConfig) -> Result<Self> {
        let content = config.storage.db().clone();
        let free_space = config.storage.free_space(config.account_dir.clone());
        let cache = Cache::open(CacheConfig {
            file: &config.account_dir.join("cache.db"),
            base_url: &config.base_url,
            account: &config.account,
            http: config.http.clone(),
            clock: config.clock.clone(),
            ids: config.ids.as_ref(),
            routes: ROUTES,
            disk_budget: DISK_BUDGET,
            validator: Some(validator(content.clone(), config.base_url.clone())),
            free_space: Some(Box::new(move |bytes| free_space.take(bytes))),
        })?;
        Ok(Self {
            inner: Arc::new(LibraryInner {
                account: config.account.clone(),
                base_url: config.base_url.clone(),
                lists: cache.database().with_error(),
                cache,
                content,
                fetcher: BlobFetcher::new(
                    config.http.clone(),
                    config.base_url.clone(),
                    config.storage.blobs().clone(),
                    config.clock.clone(),
                )
                .with_mirror(config.mirror_url.as_deref()),
                blobs: config.storage.blobs().clone(),
                storage: config.storage.clone(),
                http: config.http.clone(),
                clock: config.clock.clone(),
                changes: config.changes.clone(),
                manifests: ByteLru::new(16 * 1024 * 1024),
                fetching: InFlight::new(),
                repair: OnceLock::new(),
            }),
            waits_for_network: true,
        })
    }

    /// Returns a handle to the same library whose calls do not wait for the network, for screens with many
    /// items. A call for missing content returns an error; the content is fetched in the background, then
    /// `Change::Catalogue` is sent.
    pub fn without_waiting(&self) -> Self {
        Self { inner: self.inner.clone(), waits_for_network: false }
    }

    /// Runs `f`, which may block, on a thread for blocking calls.
    pub async fn blocking<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let library = self.clone();
        blocking(move || f(&library)).await
    }

    /// Sets the callback for a ready download that is found to be incomplete. Only the first call has an
    /// effect.
    pub fn set_repair(&self, repair: Box<dyn Fn() + Send + Sync>) {
        let _ = self.inner.repair.set(repair);
    }
    /// Returns the cache of replies.
    pub fn cache(&self) -> &Cache {
        &self.inner.cache
    }
    /// Returns the blob store.
    pub fn blobs(&self) -> &BlobStore {
        &self.inner.blobs
    }
    /// Returns the blob fetcher.
    pub fn fetcher(&self) -> &BlobFetcher {
        &self.inner.fetcher
    }
    /// Returns the storage of this device.
    pub fn storage(&self) -> &Storage {
        &self.inner.storage
    }
    /// Returns the database `content.db`.
    pub fn content_db(&self) -> &Database<Error> {
        &self.inner.content
    }
    /// Returns the key of the account in `content.db`.
    pub fn account(&self) -> &str {
        &self.inner.account
    }
    /// Returns the server's address, without a trailing slash.
    pub fn base_url(&self) -> &str {
        &self.inner.base_url
    }
    /// Returns the HTTP client of the account.
    pub fn http(&self) -> &Arc<dyn Http> {
        &self.inner.http
    }
    /// Returns the clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }
    /// Returns the sender of change events.
    pub fn changes(&self) -> &Changes {
        &self.inner.changes
    }

    /// Returns the manifest to show: that of the ready version, or else the server's. A stale manifest
    /// is requested again in the background; a different version is reported with `Change::Catalogue`.
    pub async fn manifest(&self, kind: Kind, id: &Slug) -> Result<Dated<Arc<OpenManifest>>> {
        let offline = self.inner.cache.is_offline();
        let item = id.clone();
        let found = self.blocking(move |library| library.local_manifest(kind, &item)).await?;
        if let Some((value, as_of_ms)) = found {
            return Ok(Dated { value, as_of_ms, stale: false, offline });
        }
        // A downloaded lesson has the manifest of its course.
        if self.stored_manifest_only(kind, id).await?.is_none() {
            let item = id.clone();
            let of_lesson = self.blocking(move |library| library.manifest_of_lesson(kind, &item));
            let found = of_lesson.await?;
            if found.is_none() && self.waits_for_network {
                return self.stored_manifest(kind, id).await;
            }
            let (library, item) = (self.clone(), id.clone());
            self.in_background(
                async move { library.stored_manifest(kind, &item).await.map(|_| ()) },
            );
            let not_downloaded = || Error::NotDownloaded { what: id.to_string(), size: None };
            let (value, as_of_ms) = found.ok_or_else(not_downloaded)?;
            return Ok(Dated { value, as_of_ms, stale: true, offline });
        }
        self.stored_manifest(kind, id).await
    }

    /// Runs `fetch` as a task; publishes `Change::Catalogue` if it succeeds.
    fn in_background(&self, fetch: impl Future<Output = Result<()>> + Send + 'static) {
        let changes = self.inner.changes.clone();
        tokio::spawn(async move {
            match fetch.await {
                Ok(()) => changes.publish_one(Change::Catalogue),
                Err(e) => tracing::debug!(error = %e, "background fetch failed"),
            }
        });
    }

    /// Returns the server's manifest from the cache or the network, according to the route table.
    async fn stored_manifest(&self, kind: Kind, id: &Slug) -> Result<Dated<Arc<OpenManifest>>> {
        let path = manifest_path(kind, id);
        let changes = self.inner.changes.clone();
        let cached =
            self.inner.cache.get(&path, move || changes.publish_one(Change::Catalogue)).await?;
        self.verified_from_server(id, cached).await
    }

    /// Requests the manifest from the server.
    ///
    /// # Errors
    ///
    /// `Offline` if the server cannot be reached.
    pub async fn newest_manifest(&self, kind: Kind, id: &Slug) -> Result<Dated<Arc<OpenManifest>>> {
        let path = manifest_path(kind, id);
        let cached = self.inner.cache.refresh(&path).await?;
        if cached.offline {
            return Err(Net::offline("the server cannot be reached").into());
        }
        self.verified_from_server(id, cached).await
    }

    async fn verified_from_server(
        &self,
        id: &Slug,
        cached: Cached,
    ) -> Result<Dated<Arc<OpenManifest>>> {
        let body = cached.body.clone();
        let value = self
            .blocking(move |library| library.verify_manifest(&body, ManifestSource::Server))
            .await?;
        if value.manifest.id() != id {
            return Err(Error::Corrupt(format!(
                "the manifest requested for {id} is that of {}",
                value.manifest.id()
            )));
        }
        Ok(Dated {
            value,
            as_of_ms: cached.as_of_ms,
            stale: cached.is_dated(),
            offline: cached.offline,
        })
    }

    /// Returns the manifest if it is on this device. No network.
    pub async fn known_manifest(&self, kind: Kind, id: &Slug) -> Result<Option<Arc<OpenManifest>>> {
        let item = id.clone();
        let found = self.blocking(move |library| library.ready_manifest(kind, &item)).await?;
        if found.is_some() {
            return Ok(found);
        }
        let Some(cached) = self.stored_manifest_only(kind, id).await? else {
            let item = id.clone();
            let of_lesson = self.blocking(move |library| library.manifest_of_lesson(kind, &item));
            return Ok(of_lesson.await?.map(|(manifest, _)| manifest));
        };
        self.blocking(move |library| {
            library.verify_manifest(&cached.body, ManifestSource::Server).map(Some)
        })
        .await
    }

    /// Returns the server's manifest from the cache; `None` if it is not stored.
    async fn stored_manifest_only(&self, kind: Kind, id: &Slug) -> Result<Option<Cached>> {
        let path = manifest_path(kind, id);
        match self.inner.cache.stored(&path).await.map_err(Error::from) {
            Ok(cached) => Ok(Some(cached)),
            Err(Error::NotDownloaded { .. }) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Verifies the signature with the key pinned for this server; pins the first key. A manifest from
    /// this device may also be signed with a key that the user accepted for imports.
    fn verify_manifest(
        &self,
        signed_json: &[u8],
        source: ManifestSource,
    ) -> Result<Arc<OpenManifest>> {
        let signed: SignedManifest = serde_json::from_slice(signed_json)
            .map_err(|e| Error::Corrupt(format!("manifest is malformed: {e}")))?;
        let version = signed.version();
        if let Some(known) = self.inner.manifests.get(&version)
            && known.signed == signed
        {
            return Ok(known);
        }
        let accepted = source == ManifestSource::Device && self.is_accepted(&signed.key)?;
        let pinned = match accepted {
            true => Some(signed.key.clone()),
            false => pinned_key(&self.inner.content, &self.inner.base_url)?,
        };
        let manifest =
            signed.verify(pinned.as_deref()).map_err(|e| Error::Corrupt(e.to_string()))?;
        if pinned.is_none() {
            self.inner.content.write_blocking("library.verify_manifest", |conn| {
                conn.execute(
                    "INSERT OR IGNORE INTO signing_key (server, key) VALUES (?1, ?2)",
                    [&self.inner.base_url, &signed.key],
                )?;
                Ok(())
            })?;
            self.record_keys();
        }
        let weight = signed.manifest.len() * 3;
        let open = Arc::new(OpenManifest { manifest, version, signed });
        self.inner.manifests.put(version, open.clone(), weight);
        Ok(open)
    }

    /// Writes the record of keys. An error is only logged; the sweep retries at the next start.
    pub fn record_keys(&self) {
        if let Err(e) = self.inner.storage.write_keys() {
            tracing::warn!(error = %e, "cannot write the record of keys");
        }
    }

    /// Returns the manifest of the ready version, and when its bytes were last verified (UTC, ms).
    fn local_manifest(&self, kind: Kind, id: &Slug) -> Result<Option<(Arc<OpenManifest>, i64)>> {
        self.downloaded(kind, id, "AND d.scope = ''")
    }

    /// Returns the newest manifest with a downloaded lesson.
    fn manifest_of_lesson(
        &self,
        kind: Kind,
        id: &Slug,
    ) -> Result<Option<(Arc<OpenManifest>, i64)>> {
        self.downloaded(kind, id, "ORDER BY v.version DESC LIMIT 1")
    }

    fn downloaded(
        &self,
        kind: Kind,
        id: &Slug,
        rest: &str,
    ) -> Result<Option<(Arc<OpenManifest>, i64)>> {
        let sql = format!(
            "SELECT m.signed, d.checked_ms FROM download d
             JOIN version v ON v.version = d.ready JOIN manifest m ON m.version = v.version
             WHERE d.account = ?1 AND d.kind = ?2 AND d.id = ?3 {rest}"
        );
        let key = [&self.inner.account, kind.as_str(), id.as_str()];
        let row: Option<(String, i64)> = self.inner.content.read_blocking(|conn| {
            let mut stmt = conn.prepare_cached(&sql)?;
            Ok(stmt.query_row(key, |r| Ok((r.get("signed")?, r.get("checked_ms")?))).optional()?)
        })?;
        row.map(|(signed, at)| {
            Ok((self.verify_manifest(signed.as_bytes(), ManifestSource::Device)?, at))
        })
        .transpose()
    }

    /// Returns a compiled body (section, quiz, story, vocabulary). Fetches it if it is not on this
    /// device.
    ///
    /// # Errors
    ///
    /// `Error::Corrupt` if the body is not a valid `T`.
    pub async fn body<T>(&self, hash: BlobHash) -> Result<T>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let read = move |library: &Self| -> Result<Option<T>> {
            let Some(bytes) = library.inner.blobs.get(hash)? else { return Ok(None) };
            serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|e| Error::Corrupt(format!("blob {hash:?} is malformed: {e}")))
        };
        self.read_or_fetch(hash, read).await
    }

    /// Returns where a blob is stored. Fetches it if it is not on this device.
    pub async fn blob(&self, hash: BlobHash) -> Result<BlobLocation> {
        self.read_or_fetch(hash, move |library| library.inner.blobs.locate(hash)).await
    }

    /// Returns the result of `read` for a blob. Fetches the blob if `read` returns `None`.
    async fn read_or_fetch<T: Send + 'static>(
        &self,
        hash: BlobHash,
        read: impl Fn(&Self) -> Result<Option<T>> + Clone + Send + 'static,
    ) -> Result<T> {
        let is_in_memory = self.inner.blobs.is_in_memory(hash);
        if let Some(found) = self.blocking(read.clone()).await? {
            let source = if is_in_memory { Origin::Memory } else { Origin::Disk };
            self.inner.cache.count_blob(Some(source), false);
            return Ok(found);
        }
        let not_downloaded = || Error::NotDownloaded { what: hash.to_hex(), size: None };
        if !self.waits_for_network {
            let library = self.clone();
            self.in_background(
                async move { library.fetch_blob(hash, BlobOrigin::Requested).await },
            );
            return Err(not_downloaded());
        }
        self.fetch_blob(hash, BlobOrigin::Requested).await?;
        self.blocking(read).await?.ok_or_else(not_downloaded)
    }

    /// Prefetches a blob.
    pub async fn prefetch_blob(&self, hash: BlobHash) -> Result<()> {
        self.fetch_blob(hash, BlobOrigin::Prefetched).await
    }

    /// Fetches a blob; concurrent callers share one request. If a ready download needs the blob, the
    /// download is incomplete, and is repaired after this fetch.
    async fn fetch_blob(&self, hash: BlobHash, origin: BlobOrigin) -> Result<()> {
        let lost = origin == BlobOrigin::Requested
            && self.blocking(move |library| library.inner.storage.report_lost(&[hash])).await?;
        let _repair_guard = lost.then(|| RepairGuard(self));
        if self.inner.cache.is_offline() {
            self.inner.cache.count_blob(None, false);
            return Err(Error::NotDownloaded { what: hash.to_hex(), size: None });
        }
        let library = self.clone();
        let flight = self
            .inner
            .fetching
            .join(hash, move || Box::pin(async move { library.store_blob(hash, origin).await }));
        let joined = flight.joined;
        let done = flight.await;
        if origin == BlobOrigin::Requested {
            let source = matches!(done, Some(Ok(()))).then_some(Origin::Network);
            self.inner.cache.count_blob(source, joined);
        }
        match done {
            Some(Ok(())) => Ok(()),
            Some(Err(Error::Net(Net::Offline { .. }))) => {
                Err(Error::NotDownloaded { what: hash.to_hex(), size: None })
            }
            Some(Err(e)) => Err(e),
            None => Err(Error::Internal("the fetch task panicked".into())),
        }
    }
}

fn manifest_path(kind: Kind, id: &Slug) -> String {
    format!("/api/{}/{id}/manifest", kind.path())
}

/// Returns the key pinned for this server.
fn pinned_key(content: &Database<Error>, base_url: &str) -> Result<Option<String>> {
    content.read_blocking(|conn| {
        Ok(conn
            .prepare_cached("SELECT key FROM signing_key WHERE server = ?1")?
            .query_row([base_url], |r| r.get("key"))
            .optional()?)
    })
}

/// Accepts only verified manifests and well-formed lists. Other replies do not replace stored ones.
fn validator(content: Database<Error>, base_url: String) -> ResponseValidator {
    let check = move |path: &str, body: &[u8]| -> Result<()> {
        let path = path.split('?').next().unwrap_or(path);
        let is = |what: &str| path.strip_prefix("/api/").is_some_and(|p| p == what);
        if path.ends_with("/manifest") {
            let signed: SignedManifest = serde_json::from_slice(body)
                .map_err(|e| Error::Corrupt(format!("manifest is malformed: {e}")))?;
            let pinned = pinned_key(&content, &base_url)?;
            signed.verify(pinned.as_deref()).map_err(|e| Error::Corrupt(e.to_string()))?;
        } else if is(Kind::Course.path()) || is(Kind::Story.path()) {
            serde_json::from_slice::<ListPage<serde::de::IgnoredAny>>(body)
                .map_err(|e| Net::BadReply { url: path.to_owned(), problem: e.to_string() })?;
        }
        Ok(())
    };
    Box::new(move |path, body| {
        check(path, body).map_err(|e| match e {
            Error::Corrupt(problem) => Rejection::Corrupt(problem),
            e => Rejection::BadReply(e.to_string()),
        })
    })
}

//! Blobs as objects. Each data folder, of a server or of one of its tenants, is an owner with the grants to its blobs.
//!
//! | Key below the prefix | Object |
//! |---|---|
//! | `owner` | public key of the server to which the prefix belongs |
//! | `blobs/ab/HASH` | a blob, once for all tenants |
//! | `grants/server/HASH`, `grants/tenants/NAME/HASH` | an empty object: this owner has the blob |
//!
//! A blob is not read without the owner's grant. A grant is written before the blob and removed before it, so that the
//! removal of blobs without a grant finds a grant for each blob that is being stored. It also spares blobs that were
//! written or touched in the last hour.

use std::{
    collections::{BTreeMap, HashSet},
    io::{self, Read, Write},
    path::Path,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use carrel_domain::{
    blobs::{BlobStore, NewBlob, Removed},
    clock::Clock,
};
use carrel_model::BlobHash;
use carrel_package::{Blob, BlobSink};
use reqwest::{Method, Response};
use ring::digest;
use tokio::{io::AsyncRead, runtime::Runtime, sync::mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::io::StreamReader;

use crate::{
    client::{Client, Failure, Payload, Request, Result},
    settings::{ObjectStoreSettings, StoreProblem},
    signature::hex,
};

/// A blob or grant that was written longer ago is written again when it is stored, so that no clean-up removes it before
/// the catalogue references it. Clean-ups spare what is younger than an hour.
const FRESH_MS: i64 = 10 * 60_000;
/// Maximum number of objects in a page of a list.
const PAGE: u32 = 1000;
/// Number of parts of a reply that wait for a slow client.
const PARTS: usize = 4;
/// Maximum number of grants that are remembered.
const MAX_KNOWN: usize = 100_000;
/// Key of the object with the server's public key.
const OWNER: &str = "owner";

/// Threads for the requests, which do not depend on the caller's.
static RUNTIME: LazyLock<Option<Runtime>> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).thread_name("object-store").enable_all().build().ok()
});

fn runtime() -> io::Result<&'static Runtime> {
    RUNTIME
        .as_ref()
        .ok_or_else(|| io::Error::other("failed to start the threads of the object store"))
}

/// Blobs in an object store. Clones share the connections.
#[derive(Clone)]
pub struct ObjectStore(Arc<Inner>);

struct Inner {
    client: Client,
    /// Path of the owner's grants, with a slash at the end.
    grants: String,
    /// Removes the blobs that no owner has.
    is_server: bool,
    /// Blobs whose grants were seen.
    known: Mutex<HashSet<BlobHash>>,
}

impl ObjectStore {
    /// Opens a store without contacting it. `tenant`: the owner; `None`: the server itself.
    ///
    /// # Errors
    /// The first mistake in the settings. A missing secret is reported by `check` and by the first request.
    pub fn open(
        settings: &ObjectStoreSettings,
        tenant: Option<&str>,
        clock: Arc<dyn Clock>,
    ) -> std::result::Result<Self, StoreProblem> {
        let grants = match tenant {
            Some(name) => format!("grants/tenants/{name}/"),
            None => "grants/server/".to_owned(),
        };
        let client = Client::new(settings, clock)?;
        let is_server = tenant.is_none();
        Ok(Self(Arc::new(Inner { client, grants, is_server, known: Mutex::default() })))
    }

    /// Checks that the bucket can be used and that its prefix belongs to the server with this public key. A prefix
    /// without an owner becomes that of the server. Blocks.
    ///
    /// # Errors
    /// `BlobsUnavailable`; of its configuration if the settings have to be changed.
    pub fn check(&self, public_key: &str) -> io::Result<()> {
        let public_key = public_key.to_owned();
        self.wait(OWNER, |inner| async move {
            let client = &inner.client;
            client.list("", None, 1).await?;
            let get = Request::new(Method::GET, OWNER);
            let owner = match client.send_for_text(&get).await {
                Err(Failure::NotFound) => {
                    client.put(OWNER, Payload::Text(public_key.clone())).await?;
                    public_key.clone()
                }
                owner => owner?,
            };
            if owner.trim() == public_key {
                return Ok(());
            }
            let problem =
                "the prefix in blobs.url belongs to another server; hint: choose another prefix";
            Err(Failure::Refused(problem.to_owned()))
        })
    }

    /// Runs work on the threads of the store and waits for it. `key`: for errors.
    fn wait<T, F>(&self, key: &str, work: impl FnOnce(Arc<Inner>) -> F) -> io::Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let work = work(Arc::clone(&self.0));
        runtime()?.spawn(async move {
            let _ = sender.send(work.await);
        });
        let ended = receiver.recv().map_err(|_| io::Error::other("a request was interrupted"))?;
        ended.map_err(|failure| failure.into_io(key))
    }

    /// Writes a blob to `out`, after the grant was found, and verifies its hash.
    fn fetch<W: Write + Send + 'static>(&self, hash: BlobHash, out: W) -> io::Result<W> {
        let (out, is_whole) = self.wait(&key_of(hash), move |inner| async move {
            inner.require_grant(hash).await?;
            let (mut out, mut hasher) = (out, blake3::Hasher::new());
            let mut parts = Parts::new(&inner.client, hash, 0, None);
            while let Some(part) = parts.next().await? {
                hasher.update(&part);
                out.write_all(&part).map_err(|e| Failure::Local(e.to_string()))?;
            }
            Ok((out, hasher.finalize().as_bytes() == &hash.0))
        })?;
        if is_whole {
            return Ok(out);
        }
        let problem = format!("the content of {:?} does not match its hash", key_of(hash));
        Err(io::Error::new(io::ErrorKind::InvalidData, problem))
    }
}

fn key_of(hash: BlobHash) -> String {
    let hex = hash.to_hex();
    format!("blobs/{}/{hex}", &hex[..2])
}

/// Returns the hash at the end of a key.
fn hash_of(key: &str) -> Option<BlobHash> {
    key.rsplit('/').next()?.parse().ok()
}

impl Inner {
    fn grant(&self, hash: BlobHash) -> String {
        format!("{}{hash}", self.grants)
    }
    fn is_fresh(&self, modified_ms: i64) -> bool {
        modified_ms > self.client.now_ms().saturating_sub(FRESH_MS)
    }
    fn remember(&self, hash: BlobHash) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(hash);
    }
    fn is_known(&self, hash: BlobHash) -> bool {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(&hash)
    }

    /// Fails with `NotFound` if the owner has no grant for the blob.
    async fn require_grant(&self, hash: BlobHash) -> Result<()> {
        if self.is_known(hash) {
            return Ok(());
        }
        self.client.head(&self.grant(hash)).await?.ok_or(Failure::NotFound)?;
        self.remember(hash);
        Ok(())
    }

    async fn write_grant(&self, hash: BlobHash) -> Result<()> {
        self.client.put(&self.grant(hash), Payload::Text(String::new())).await?;
        self.remember(hash);
        Ok(())
    }

    /// Returns true if the blob is stored with this size. Then it is as new as if it was just written.
    async fn renew(&self, hash: BlobHash, size: u64) -> Result<bool> {
        match self.client.head(&key_of(hash)).await? {
            Some((stored, modified_ms)) if stored == size => {
                if self.is_fresh(modified_ms) {
                    return Ok(true);
                }
                match self.client.touch(&key_of(hash)).await {
                    Ok(()) => Ok(true),
                    // It was just removed, or this store cannot copy: it is written.
                    Err(Failure::NotFound | Failure::Refused(_)) => Ok(false),
                    Err(e) => Err(e),
                }
            }
            _ => Ok(false),
        }
    }

    async fn reserve(&self, hash: BlobHash, size: u64) -> Result<bool> {
        let Some((_, modified_ms)) = self.client.head(&self.grant(hash)).await? else {
            return Ok(false);
        };
        if !self.is_fresh(modified_ms) {
            self.write_grant(hash).await?;
        }
        self.renew(hash, size).await
    }

    /// Stores a file whose hash was verified.
    async fn put(&self, hash: BlobHash, payload: Payload, size: u64) -> Result<()> {
        self.write_grant(hash).await?;
        if self.renew(hash, size).await? {
            return Ok(());
        }
        self.client.put(&key_of(hash), payload).await
    }

    /// Lists all objects whose keys begin with `start`.
    async fn each(&self, start: &str, mut found: impl FnMut(BlobHash, u64, i64)) -> Result<()> {
        let mut next = None;
        loop {
            let page = self.client.list(start, next, PAGE).await?;
            for object in page.objects {
                if let Some(hash) = hash_of(&object.key) {
                    found(hash, object.size, object.modified_ms);
                }
            }
            next = page.next;
            if next.is_none() {
                return Ok(());
            }
        }
    }

    /// Deletes an object unless it was written since `before_ms`: another process may just have stored it again.
    async fn delete_old(&self, key: &str, before_ms: i64) -> Result<bool> {
        let is_old =
            self.client.head(key).await?.is_some_and(|(_, modified_ms)| modified_ms < before_ms);
        if is_old {
            self.client.delete(key).await?;
        }
        Ok(is_old)
    }

    async fn remove_others(&self, keep: &HashSet<BlobHash>, before_ms: i64) -> Result<Removed> {
        let mut removed = Removed::default();
        let mut others = Vec::new();
        self.each(&self.grants, |hash, _, modified_ms| {
            if !keep.contains(&hash) && modified_ms < before_ms {
                others.push(hash);
            }
        })
        .await?;
        for hash in others {
            // Forgotten first, so that no request reads a blob without its grant for long.
            self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&hash);
            removed.blobs += u64::from(self.delete_old(&self.grant(hash), before_ms).await?);
        }
        if self.is_server {
            let mut old = BTreeMap::new();
            self.each("blobs/", |hash, size, modified_ms| {
                if modified_ms < before_ms {
                    old.insert(hash.0, size);
                }
            })
            .await?;
            // Read after the list of the blobs: each blob that is being stored has its grant before.
            self.each("grants/", |hash, _, _| {
                old.remove(&hash.0);
            })
            .await?;
            for (hash, size) in old {
                if self.delete_old(&key_of(BlobHash(hash)), before_ms).await? {
                    removed.bytes += size;
                }
            }
        }
        Ok(removed)
    }
}

/// The content of a blob in parts. A reply that ends early is continued where it ended.
struct Parts<'a> {
    client: &'a Client,
    key: String,
    /// Position of the next byte.
    at: u64,
    /// Position after the last byte, when it is known.
    end: Option<u64>,
    reply: Option<Response>,
    attempt: u32,
}

impl<'a> Parts<'a> {
    fn new(client: &'a Client, hash: BlobHash, first: u64, len: Option<u64>) -> Self {
        let end = len.map(|len| first.saturating_add(len));
        Self { client, key: key_of(hash), at: first, end, reply: None, attempt: 1 }
    }

    /// Requests the rest.
    async fn begin(&mut self) -> Result<()> {
        let mut request = Request::new(Method::GET, &self.key);
        let is_range = self.at > 0 || self.end.is_some();
        if is_range {
            let last = self.end.map(|end| (end - 1).to_string()).unwrap_or_default();
            request = request.header("range", format!("bytes={}-{last}", self.at));
        }
        let reply = self.client.send(&request).await?;
        let len = reply.content_length();
        if is_range != (reply.status().as_u16() == 206) {
            return Err(Failure::Refused("the store ignores ranges".to_owned()));
        }
        match (self.end, len) {
            (None, Some(len)) => self.end = Some(self.at + len),
            (Some(end), Some(len)) if self.at + len == end => {}
            _ => return Err(Failure::Refused("a reply has another length".to_owned())),
        }
        self.reply = Some(reply);
        Ok(())
    }

    /// Returns the next part; `None` after the last byte.
    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            if self.end == Some(self.at) {
                return Ok(None);
            }
            if self.reply.is_none() {
                self.begin().await?;
                continue;
            }
            let Some(reply) = self.reply.as_mut() else { continue };
            let problem = match self.client.chunk(reply).await {
                Ok(Some(part)) => {
                    self.at += part.len() as u64;
                    return Ok(Some(part));
                }
                Ok(None) => Failure::Unavailable("a reply ended early".to_owned()),
                Err(e) => e,
            };
            self.reply = None;
            if self.attempt >= self.client.attempts {
                return Err(problem);
            }
            self.client.wait(self.attempt).await;
            self.attempt += 1;
        }
    }
}

#[async_trait]
impl BlobStore for ObjectStore {
    async fn open(
        &self,
        hash: BlobHash,
        first: u64,
        len: u64,
    ) -> io::Result<Box<dyn AsyncRead + Send + Unpin>> {
        if len == 0 {
            return Ok(Box::new(tokio::io::empty()));
        }
        let inner = Arc::clone(&self.0);
        let (sender, mut receiver) = mpsc::channel::<io::Result<Bytes>>(PARTS);
        runtime()?.spawn(async move {
            let key = key_of(hash);
            let mut parts = Parts::new(&inner.client, hash, first, Some(len));
            // An empty part tells the caller that the store has replied, so that it can begin its own reply.
            let begun = async {
                inner.require_grant(hash).await?;
                parts.begin().await.map(|()| Bytes::new())
            };
            let mut part = begun.await.map_err(|e| e.into_io(&key));
            loop {
                let is_error = part.is_err();
                // The client is gone, or the reply is incomplete.
                if sender.send(part).await.is_err() || is_error {
                    return;
                }
                part = match parts.next().await {
                    Ok(Some(part)) => Ok(part),
                    Ok(None) => return,
                    Err(e) => Err(e.into_io(&key)),
                };
            }
        });
        match receiver.recv().await {
            Some(Ok(_)) => Ok(Box::new(StreamReader::new(ReceiverStream::new(receiver)))),
            Some(Err(e)) => Err(e),
            None => Err(io::Error::other("a request was interrupted")),
        }
    }
    fn read(&self, hash: BlobHash) -> io::Result<Vec<u8>> {
        self.fetch(hash, Vec::new())
    }
    fn size(&self, hash: BlobHash) -> io::Result<Option<u64>> {
        self.wait(&key_of(hash), move |inner| async move {
            match inner.require_grant(hash).await {
                Err(Failure::NotFound) => Ok(None),
                Err(e) => Err(e),
                Ok(()) => Ok(inner.client.head(&key_of(hash)).await?.map(|(size, _)| size)),
            }
        })
    }
    fn reserve(&self, hash: BlobHash, size: u64) -> io::Result<bool> {
        self.wait(&key_of(hash), move |inner| async move { inner.reserve(hash, size).await })
    }
    fn create(&self, hash: BlobHash) -> io::Result<Box<dyn NewBlob>> {
        let (store, file) = (self.clone(), tempfile::NamedTempFile::new()?);
        Ok(Box::new(NewObject { store, file, hash }))
    }
    fn sink(&self) -> io::Result<Box<dyn BlobSink + Send>> {
        Ok(Box::new(ObjectSink(self.clone())))
    }
    fn copy_to(&self, hash: BlobHash, to: &Path) -> io::Result<()> {
        if to.exists() {
            return Ok(());
        }
        let folder = to.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        let part = self.fetch(hash, tempfile::NamedTempFile::new_in(folder)?)?;
        part.as_file().sync_all()?;
        part.persist(to).map_err(|e| e.error)?;
        Ok(())
    }
    /// The hash is verified once more while the digest for the signature is computed.
    fn put_file(&self, hash: BlobHash, from: &Path) -> io::Result<()> {
        let (mut file, mut buffer) = (std::fs::File::open(from)?, vec![0; 1 << 16]);
        let (mut hasher, mut digest) =
            (blake3::Hasher::new(), digest::Context::new(&digest::SHA256));
        let mut len = 0;
        loop {
            let n = file.read(&mut buffer)?;
            if n == 0 {
                break;
            }
            hasher.update(&buffer[..n]);
            digest.update(&buffer[..n]);
            len += n as u64;
        }
        if hasher.finalize().as_bytes() != &hash.0 {
            let problem = format!("the content of {from:?} does not match the hash {hash}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        let sha256 = hex(digest.finish().as_ref());
        let payload = Payload::File { path: from.to_owned(), len, sha256 };
        self.wait(&key_of(hash), move |inner| async move { inner.put(hash, payload, len).await })
    }
    fn remove_others(&self, keep: &HashSet<BlobHash>, before_ms: i64) -> io::Result<Removed> {
        let keep = keep.clone();
        self.wait(&self.0.grants.clone(), move |inner| async move {
            inner.remove_others(&keep, before_ms).await
        })
    }
}

/// A blob that is written to a temporary file and stored when it is complete.
struct NewObject {
    store: ObjectStore,
    file: tempfile::NamedTempFile,
    hash: BlobHash,
}

impl Write for NewObject {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl NewBlob for NewObject {
    fn finish(self: Box<Self>) -> io::Result<()> {
        self.store.put_file(self.hash, self.file.path())
    }
}

struct ObjectSink(ObjectStore);

impl BlobSink for ObjectSink {
    fn put(&mut self, blob: &Blob) -> io::Result<()> {
        if self.0.reserve(blob.hash, blob.size)? {
            return Ok(());
        }
        let mut file = tempfile::NamedTempFile::new()?;
        blob.copy_to(&mut file)?;
        self.0.put_file(blob.hash, file.path())
    }
}

//! Downloads the file of a release: continues a partial file, tries all mirrors, checks the disk space, and verifies
//! size, hash and signature before the file gets its final name.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use carrel_model::BlobHash;
use carrel_net::{Backoff, Error as Net, Http, Reply, Request};
use carrel_system::{Clock, Disk, blocking};
use futures_util::StreamExt;
use http::header;
use url::Url;

use crate::{Error, Feed, FeedFile, Keys, Result, mirror};

/// Largest package in bytes.
pub const MAX_PACKAGE_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// Bytes that stay free on the disk, so that the learner's work can be saved.
pub const MIN_FREE_BYTES: u64 = 64 * 1024 * 1024;
/// Rounds over all addresses after which a download fails; it continues at the next attempt.
const MAX_ROUNDS: u32 = 3;
/// Longest time without data.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes that are written at once.
const WRITE_BYTES: usize = 512 * 1024;
/// Ending of the name of a partial file.
const PART_SUFFIX: &str = ".part";

/// Downloads into one folder.
#[derive(Clone)]
pub struct Downloader {
    /// Network.
    pub http: Arc<dyn Http>,
    /// Clock, for the waits between attempts.
    pub clock: Arc<dyn Clock>,
    /// Disk of the folder.
    pub disk: Arc<dyn Disk>,
    /// Folder of downloaded packages.
    pub dir: PathBuf,
    /// Accepted keys.
    pub keys: Keys,
}

/// A package on the disk with the facts that its signature states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Path of the package.
    pub path: PathBuf,
    /// Size in bytes.
    pub size: u64,
    /// Hash of the package.
    pub hash: BlobHash,
}

impl Downloader {
    /// Returns the path of a downloaded package.
    pub fn path_of(&self, file: &FeedFile) -> PathBuf {
        self.dir.join(&file.name)
    }
    fn part_of(&self, file: &FeedFile) -> PathBuf {
        self.dir.join(format!("{}{PART_SUFFIX}", file.name))
    }

    /// Returns the package if it was downloaded already and is valid. A package that is not valid is deleted.
    pub async fn downloaded(&self, feed: &Feed, target: &str) -> Result<Option<Package>> {
        let Some(file) = feed.files.get(target) else { return Ok(None) };
        let path = self.path_of(file);
        if !path.is_file() {
            return Ok(None);
        }
        match self.verified(feed, target, path.clone()).await {
            Ok(package) => Ok(Some(package)),
            Err(error) => {
                tracing::warn!(error = %error, "a downloaded update is not valid");
                fs::remove_file(path)?;
                Ok(None)
            }
        }
    }

    /// Downloads the file of a release for a target from the first of `addresses` that delivers it. `progress` is
    /// called with the number of bytes on the disk.
    ///
    /// Bytes of an earlier attempt are kept and continued, after their hash was computed. Dropping the future cancels
    /// the download.
    pub async fn download(
        &self,
        feed: &Feed,
        target: &str,
        addresses: &[Url],
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Package> {
        let file = feed.files.get(target).ok_or(Error::NotNow("the release has no such file"))?;
        if file.size > MAX_PACKAGE_BYTES {
            return Err(damaged(file, format!("{} bytes are more than allowed", file.size)));
        }
        if let Some(package) = self.downloaded(feed, target).await? {
            progress(package.size);
            return Ok(package);
        }
        fs::create_dir_all(&self.dir)?;
        let mut backoff = Backoff::new(file.size);
        let mut error = Error::NotNow("the release has no address");
        for round in 0..MAX_ROUNDS {
            if round > 0 {
                let wait_ms = u64::try_from(backoff.next_wait()).unwrap_or_default();
                self.clock.sleep(Duration::from_millis(wait_ms)).await;
            }
            for address in addresses {
                match self.attempt(feed, target, file, address, progress).await {
                    Ok(package) => return Ok(package),
                    Err(e) if is_local(&e) => return Err(e),
                    Err(e) => {
                        tracing::warn!(address = %address, error = %e, "no update from this address");
                        error = e;
                    }
                }
            }
        }
        Err(error)
    }

    async fn attempt(
        &self,
        feed: &Feed,
        target: &str,
        file: &FeedFile,
        address: &Url,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Package> {
        let path = self.part_of(file);
        let mut part = Part::open(path.clone(), file.size).await?;
        progress(part.len);
        if part.len < file.size {
            let reply;
            (reply, part) = self.request(file, address, part).await?;
            let free = self.disk.free_bytes(&self.dir)?;
            let needed = (file.size - part.len).saturating_add(MIN_FREE_BYTES);
            if free < needed {
                return Err(Error::NoSpace { needed, free });
            }
            part = receive(file, reply, part, progress).await?;
        }
        part = part.with(|part| part.file.sync_all()).await?;
        if part.len < file.size {
            let problem = format!("it ended after {} of {} bytes", part.len, file.size);
            return Err(damaged(file, problem));
        }
        let found = BlobHash(*part.hasher.finalize().as_bytes());
        if found != file.blake3 {
            part.discard()?;
            return Err(damaged(file, format!("its hash is {found}, not {}", file.blake3)));
        }
        drop(part);
        let package = match self.verified(feed, target, path.clone()).await {
            Ok(package) => package,
            Err(error) => {
                fs::remove_file(&path)?;
                return Err(error);
            }
        };
        let complete = self.path_of(file);
        fs::rename(&path, &complete)?;
        carrel_system::files::sync_folder_of(&complete)?;
        Ok(Package { path: complete, ..package })
    }

    /// Requests the bytes that are missing. If the reply has all bytes, the partial file starts again.
    async fn request(&self, file: &FeedFile, address: &Url, part: Part) -> Result<(Reply, Part)> {
        let from = part.len;
        let mut request = Request::get(address.as_str())
            .timeout(TIMEOUT)
            .header(header::ACCEPT_ENCODING, "identity");
        if from > 0 {
            request = request.header(header::RANGE, &format!("bytes={from}-"));
        }
        let reply = mirror::send(&self.http, request).await?;
        match reply.status {
            206 if from > 0 => {
                let range = reply.header(header::CONTENT_RANGE).unwrap_or_default();
                if range != format!("bytes {from}-{}/{}", file.size - 1, file.size) {
                    let problem = format!("it sent the range {range:?}");
                    part.with(Part::restart).await?;
                    return Err(Net::BadReply { url: address.to_string(), problem }.into());
                }
                Ok((reply, part))
            }
            200 => {
                if let Some(length) = content_length(&reply).filter(|length| *length != file.size) {
                    // Not this file: the page of a portal, or another version.
                    let problem = format!("it has {length} bytes, not {}", file.size);
                    return Err(damaged(file, problem));
                }
                Ok((reply, part.with(Part::restart).await?))
            }
            416 => {
                part.with(Part::restart).await?;
                Err(mirror::unexpected(reply, address.as_str()).await)
            }
            _ => Err(mirror::unexpected(reply, address.as_str()).await),
        }
    }

    /// Verifies size, hash, signature and signed comment of a file.
    pub async fn verified(&self, feed: &Feed, target: &str, path: PathBuf) -> Result<Package> {
        let (keys, feed, target) = (self.keys.clone(), feed.clone(), target.to_owned());
        blocking(move || verify(&keys, &feed, &target, path)).await
    }

    /// Deletes everything in the folder except the package `kept` and its partial file. Failures are logged.
    pub fn clean(&self, kept: Option<&FeedFile>) {
        let keep: Vec<PathBuf> =
            kept.map_or_else(Vec::new, |f| vec![self.path_of(f), self.part_of(f)]);
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if !keep.contains(&path)
                && let Err(error) = fs::remove_file(&path)
            {
                tracing::warn!(error = %error, "an old update could not be deleted");
            }
        }
    }
}

/// Verifies size, hash, signature and signed comment of a file. Blocking.
pub fn verify(keys: &Keys, feed: &Feed, target: &str, path: PathBuf) -> Result<Package> {
    let file = feed.files.get(target).ok_or(Error::NotNow("the release has no such file"))?;
    let size = fs::metadata(&path)?.len();
    if size != file.size {
        return Err(damaged(file, format!("it has {size} bytes, not {}", file.size)));
    }
    let hash = hash_of(&mut File::open(&path)?)?;
    if hash != file.blake3 {
        return Err(damaged(file, format!("its hash is {hash}, not {}", file.blake3)));
    }
    let comment = keys.verify_file(&path, &file.signature)?;
    file.check_comment(feed, target, &comment)?;
    Ok(Package { path, size, hash })
}

/// Returns the hash of the rest of a file. Blocking.
pub fn hash_of(file: &mut File) -> io::Result<BlobHash> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file)?;
    Ok(BlobHash(*hasher.finalize().as_bytes()))
}

fn damaged(file: &FeedFile, problem: String) -> Error {
    Error::Damaged { file: file.name.clone(), problem }
}
fn content_length(reply: &Reply) -> Option<u64> {
    reply.header(header::CONTENT_LENGTH)?.parse().ok()
}
/// Returns true if no other mirror can help.
fn is_local(error: &Error) -> bool {
    matches!(error, Error::NoSpace { .. } | Error::Storage(_))
}

/// Writes the body of a reply to the partial file, in pieces of `WRITE_BYTES`. What was received before an error is
/// kept.
async fn receive(
    file: &FeedFile,
    reply: Reply,
    mut part: Part,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<Part> {
    let mut body = reply.body;
    loop {
        let mut buffer = Vec::new();
        let mut next = body.next().await;
        while let Some(Ok(chunk)) = &next {
            buffer.extend_from_slice(chunk);
            if part.len + buffer.len() as u64 > file.size {
                part.discard()?;
                return Err(damaged(file, format!("it is longer than {} bytes", file.size)));
            }
            if buffer.len() >= WRITE_BYTES {
                break;
            }
            next = body.next().await;
        }
        part = part.with(move |part| part.append(&buffer)).await?;
        progress(part.len);
        match next {
            None => return Ok(part),
            Some(Err(failure)) => return Err(failure.into()),
            Some(Ok(_)) => {}
        }
    }
}

/// A partial file with the hash of its bytes.
struct Part {
    path: PathBuf,
    file: File,
    len: u64,
    hasher: blake3::Hasher,
}

impl Part {
    /// Opens or creates the partial file, and computes the hash of its bytes. One that is too long is emptied.
    async fn open(path: PathBuf, max: u64) -> Result<Self> {
        blocking(move || {
            let mut options = File::options();
            options.read(true).write(true).create(true).truncate(false);
            let file = options.open(&path)?;
            let mut part = Self { path, file, len: 0, hasher: blake3::Hasher::new() };
            if part.file.metadata()?.len() > max {
                part.restart()?;
            }
            let mut chunk = vec![0; 128 * 1024];
            loop {
                let n = part.file.read(&mut chunk)?;
                if n == 0 {
                    break;
                }
                part.hasher.update(&chunk[..n]);
                part.len += n as u64;
            }
            Ok::<_, Error>(part)
        })
        .await
    }
    /// Runs a file operation on a blocking thread.
    async fn with(
        mut self,
        operation: impl FnOnce(&mut Self) -> io::Result<()> + Send + 'static,
    ) -> Result<Self> {
        blocking(move || {
            operation(&mut self)?;
            Ok::<_, Error>(self)
        })
        .await
    }
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.len += bytes.len() as u64;
        Ok(())
    }
    fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.len = 0;
        self.hasher.reset();
        Ok(())
    }
    fn discard(self) -> io::Result<()> {
        drop(self.file);
        fs::remove_file(&self.path)
    }
}

/// Returns the folder of downloaded packages in the folder of updates.
pub fn packages_dir(updates: &Path) -> PathBuf {
    updates.join("packages")
}

//! Imports bundles (docs/BUNDLES.md): courses of another library into the catalogue, a learner's work into the
//! learner's rows.
//!
//! Not here: the file format (`carrel_bundle`), packages (`import`), network sync (`http::sync`).

use std::{
    fs::{self, File},
    io::{BufReader, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use carrel_bundle::{
    Bundle, CourseBundle, Fault, MAGIC, WorkBundle, WorkHeader, copy_verified, fingerprint,
};
use carrel_model::{
    DeviceId, UserId,
    lattice::{Kv, Row, fold},
    wire::{MAX_PULL_ROWS, ResultCode, UserInfo},
};
use carrel_package::{Declared, Problem, Severity};

use crate::{
    blobs::BlobStore,
    data_dir::DataDir,
    error::{Error, io},
    publish::{PackageReport, PublishOptions, imported, publish},
    push_validation,
    signing::hex,
};

/// File name extension.
const EXTENSION: &str = "carrel";
/// Number of rows merged in one transaction.
const BATCH: usize = 1_000;
/// Key-value namespace in which a device stores its public signing key.
const DEVICE_KEY: &str = "device_key";

/// Returns the course files for `path`: the file itself, or the course files directly in the folder. Other files in
/// the folder are ignored.
pub(crate) fn course_files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        let is_bundle = has_extension(path) || has_magic(path);
        return if is_bundle { vec![path.to_owned()] } else { Vec::new() };
    }
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    let mut files: Vec<_> =
        entries.flatten().map(|e| e.path()).filter(|p| p.is_file() && has_extension(p)).collect();
    files.sort();
    files
}

fn has_extension(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case(EXTENSION))
}

fn has_magic(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|f| f.take(MAGIC.len() as u64).read_to_end(&mut start));
    read.is_ok() && start == MAGIC
}

/// Imports the courses of a file into the catalogue, signed with this server's key. `accepted_keys`: fingerprints of
/// the keys of other libraries whose courses the administrator accepts. If `data` is `None`, the file is only verified.
pub(crate) async fn import(
    data: Option<&DataDir>,
    path: &Path,
    accepted_keys: &[String],
    options: PublishOptions,
) -> Result<Vec<PackageReport>, Error> {
    let name = path.display().to_string();
    let refused = |code, message: String, hint: &str| {
        let (file, hint) = (name.clone(), hint.to_owned());
        let problem = Problem { file, line: 1, severity: Severity::Error, code, message, hint };
        let (name, root) = (name.clone(), name.clone());
        let (declared, problems) = (Declared::default(), vec![problem]);
        PackageReport { name, root, kind: None, declared, problems, outcome: None, source: None }
    };
    let copy_hint = "copy the file again; nothing was changed";
    let bundle = match open(path) {
        Ok((Bundle::Courses(bundle), _)) => bundle,
        Ok((Bundle::Work(_), _)) => {
            let hint = "import it with `carrel-server accept-work`";
            let message = "the file contains a learner's work, not courses".to_owned();
            return Ok(vec![refused("bundle-work", message, hint)]);
        }
        Ok((Bundle::Dictionary(_), _)) => {
            let message = "the file contains a dictionary, not courses".to_owned();
            return Ok(vec![refused("bundle-dictionary", message, "add it in the app")]);
        }
        Err(fault) => return Ok(vec![refused("bundle-file", fault.to_string(), copy_hint)]),
    };
    let key_fingerprint = fingerprint(&bundle.key);
    let is_own_key = data.is_none_or(|d| hex(&d.signer.public_key()) == bundle.key);
    if !is_own_key && !accepted_keys.iter().any(|a| normalized(a) == normalized(&key_fingerprint)) {
        let message = format!(
            "the file is signed by {:?} with a key that is not accepted, {key_fingerprint}",
            bundle.header.server_name
        );
        let hint = format!(
            "compare the fingerprint with that of the other library, then add --accept-key \"{key_fingerprint}\""
        );
        return Ok(vec![refused("bundle-key", message, &hint)]);
    }
    let (blobs, failpoints) =
        (data.map(|d| Arc::clone(&d.blobs)), data.and_then(DataDir::failpoints));
    let (source, contents) = (path.to_owned(), bundle.clone());
    let failpoint = move |name| {
        if let Some(failpoints) = &failpoints {
            failpoints(name);
        }
    };
    let copied = tokio::task::spawn_blocking(move || {
        import_blobs(&source, &contents, blobs.as_deref(), &failpoint)
    })
    .await
    .map_err(|e| Error::Refused(format!("{name}: {e}")))?;
    match copied {
        Err(CopyError::Fault(fault)) => {
            return Ok(vec![refused("bundle-file", fault.to_string(), copy_hint)]);
        }
        Err(CopyError::Io(e)) => return Err(io("write", path)(e)),
        Ok(()) => {}
    }
    let mut reports = Vec::with_capacity(bundle.manifests.len());
    for manifest in bundle.manifests {
        let name = format!("{name}: {}", manifest.id());
        let outcome = match data {
            Some(data) => publish(data, &manifest, options).await,
            None => Ok(imported(&manifest, false)),
        };
        // A course that cannot be published does not block the others in the file.
        let (outcome, problems) = match outcome {
            Ok(outcome) => (Some(outcome), Vec::new()),
            Err(e) => {
                let report = refused("refused", e.to_string(), e.hint());
                (None, report.problems)
            }
        };
        let (root, kind) = (name.clone(), outcome.as_ref().map(|o| o.kind));
        let declared = Declared::default();
        reports.push(PackageReport { name, root, kind, declared, problems, outcome, source: None });
    }
    Ok(reports)
}

fn normalized(digits: &str) -> String {
    digits.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase()
}

fn open(path: &Path) -> Result<(Bundle, BufReader<File>), Fault> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    let mut file = BufReader::with_capacity(256 * 1024, file);
    Ok((carrel_bundle::open(&mut file, len)?, file))
}

enum CopyError {
    Fault(Fault),
    Io(std::io::Error),
}
impl From<Fault> for CopyError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}
impl From<std::io::Error> for CopyError {
    fn from(e: std::io::Error) -> Self {
        Self::Io(e)
    }
}

/// Verifies every blob, including those already stored, and stores the missing ones. A blob is added to the store when
/// it is complete and synced to disk.
fn import_blobs(
    path: &Path,
    bundle: &CourseBundle,
    blobs: Option<&dyn BlobStore>,
    failpoint: &dyn Fn(&'static str),
) -> Result<(), CopyError> {
    let (_, mut file) = open(path)?;
    for blob in &bundle.blobs {
        let is_stored = blobs.map(|blobs| blobs.reserve(blob.hash, blob.size)).transpose()?;
        match blobs.filter(|_| is_stored != Some(true)) {
            None => copy_verified(&mut file, blob, |_| Ok::<_, CopyError>(()))?,
            Some(blobs) => {
                let mut part = blobs.create(blob.hash)?;
                copy_verified(&mut file, blob, |piece| Ok::<_, CopyError>(part.write_all(piece)?))?;
                failpoint("blob written");
                part.finish()?;
                failpoint("blob stored");
            }
        }
    }
    Ok(())
}

/// Result of accepting a learner's work file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    pub login: String,
    pub name: String,
    pub device_name: String,
    pub rows: u64,
    /// Number of rows that changed a stored row.
    pub changed: u64,
    /// Number of refused rows. `reasons` contains each distinct reason once, at most 20.
    pub refused: u64,
    pub reasons: Vec<String>,
}

/// Options chosen by the administrator for accepting a work file.
#[derive(Debug, Clone, Copy, Default)]
pub struct AcceptOptions<'a> {
    /// Accepts the file from a device whose key is not registered on this server.
    pub trust_device: bool,
    /// Login of the account that receives the work of an account unknown to this server. Set by the administrator, so
    /// no further proof is required.
    pub login: Option<&'a str>,
}

/// Merges the rows of a work file as if the learner had pushed them. Accepting the same file again changes nothing.
///
/// The account of the file must exist on this server, or the file must contain its certificate (the account is then
/// recreated), or `login` names the receiving account.
pub async fn accept_work(
    data: &DataDir,
    path: &Path,
    options: AcceptOptions<'_>,
) -> Result<Accepted, Error> {
    let display = path.display();
    let refuse = |reason: String| Error::Refused(format!("{display}: {reason}"));
    let opened = path.to_owned();
    let work = tokio::task::spawn_blocking(move || open(&opened))
        .await
        .map_err(|e| refuse(e.to_string()))?
        .map_err(|fault| refuse(fault.to_string()))?;
    let (Bundle::Work(WorkBundle { header, rows }), _) = work else {
        return Err(refuse("the file contains courses; hint: use `carrel-server import`".into()));
    };
    if header.is_guest() {
        return Err(refuse(
            "the work was done without an account; hint: import it on a device where the learner is signed in".into(),
        ));
    }
    let (user, is_trusted) = match owner(data, &header, options).await {
        Ok(owner) => owner,
        Err(Error::Refused(reason)) => return Err(refuse(reason)),
        Err(e) => return Err(e),
    };
    match device_key(data, user.id, header.device.id).await? {
        Some(key) if key == header.device.key => {}
        _ if options.trust_device || is_trusted => {}
        Some(_) => {
            return Err(refuse(format!(
                "{:?} signs with a key that differs from the one registered on this server; \
                 hint: ask the learner, then add --trust-device",
                header.device.name
            )));
        }
        None => {
            return Err(refuse(format!(
                "{:?} has no key registered on this server; hint: ask the learner, then add --trust-device",
                header.device.name
            )));
        }
    }
    let now = data.config.clock.now_ms();
    let mut accepted = Accepted {
        login: user.login,
        name: user.name,
        device_name: header.device.name,
        rows: rows.len() as u64,
        changed: 0,
        refused: 0,
        reasons: Vec::new(),
    };
    for batch in rows.chunks(BATCH) {
        let mut valid = Vec::with_capacity(batch.len());
        for text in batch {
            let checked = match Row::from_json(text) {
                Ok(row) => push_validation::check_row(&row, now).map(|()| row),
                Err(e) => Err((ResultCode::TooNew, e.to_string())),
            };
            match checked {
                Ok(row) => valid.push(row),
                Err((_, reason)) => {
                    accepted.refused += 1;
                    if accepted.reasons.len() < 20 && !accepted.reasons.contains(&reason) {
                        accepted.reasons.push(reason);
                    }
                }
            }
        }
        let valid = fold(valid).into_values().collect();
        data.failpoint("batch read");
        let pushed = data.store.push(user.id, valid, false, now).await?;
        data.failpoint("batch merged");
        accepted.changed += pushed.changed;
        for (_, (_, reason)) in pushed.refused {
            accepted.refused += 1;
            if accepted.reasons.len() < 20 && !accepted.reasons.contains(&reason) {
                accepted.reasons.push(reason);
            }
        }
    }
    tracing::info!(
        user.id = %user.id, work.rows = accepted.rows, work.changed = accepted.changed,
        "accepted a work file"
    );
    Ok(accepted)
}

/// Returns the account that receives the rows, and true if the administrator chose it, so that the device key is not
/// checked.
async fn owner(
    data: &DataDir,
    header: &WorkHeader,
    options: AcceptOptions<'_>,
) -> Result<(UserInfo, bool), Error> {
    let learner = &header.learner;
    let known = data.store.account_by_id(learner.id).await?.map(|a| a.user);
    if let Some(login) = options.login {
        let receiver = data.store.account(login, None).await?.map(|a| a.user);
        let receiver = receiver.ok_or_else(|| {
            Error::Refused(format!("no account has the login {login:?}; hint: check --as"))
        })?;
        return match known {
            Some(known) if known.id != receiver.id => Err(Error::Refused(format!(
                "the work belongs to {} ({}), who has an account on this server; hint: omit --as",
                known.name, known.login
            ))),
            _ => Ok((receiver, true)),
        };
    }
    if let Some(known) = known {
        return Ok((known, false));
    }
    let certificate = data.token_keys().open_certificate(&header.certificate);
    match certificate.filter(|c| c.user.id == learner.id) {
        // The key of the device is unknown too, so the account is recreated only with `trust_device`.
        Some(certificate) if options.trust_device => {
            let now = data.config.clock.now_ms();
            let account = data.store.recreate_account(certificate, now).await?;
            data.failpoint("account created");
            Ok((account.user, false))
        }
        Some(_) => Err(Error::Refused(format!(
            "the account of {} ({}) is missing from this database, and {:?} has no key registered on this server; \
             hint: ask the learner, then add --trust-device",
            learner.name, learner.login, header.device.name
        ))),
        None => Err(Error::Refused(format!(
            "{} ({}) has no account on this server; the file is addressed to {}; \
             hint: --as LOGIN assigns it to an account of this server",
            learner.name, learner.login, header.server_name
        ))),
    }
}

/// Returns the public key registered by this device of the learner.
async fn device_key(
    data: &DataDir,
    user: UserId,
    device: DeviceId,
) -> Result<Option<String>, Error> {
    let device = device.to_string();
    let mut since = 0;
    loop {
        let (rows, more) = data.store.pull(user, since, MAX_PULL_ROWS, usize::MAX).await?;
        for (usn, row) in rows {
            since = usn;
            if let Row::Kv(Kv { ns, key, value, .. }) = row
                && ns == DEVICE_KEY
                && key == device
            {
                return Ok(serde_json::from_str(&value).ok());
            }
        }
        if !more {
            return Ok(None);
        }
    }
}

//! Imports a dictionary pack from a file: verifies it while its database is copied, then installs it.
//!
//! Not here: where packs are stored (`dictionary`).

use std::{fs::File, io::Write, path::Path};

use carrel_bundle::{Bundle, DictionaryBundle, DictionaryFacts, Fault, copy_verified, fingerprint};
use carrel_content::library::Library;
use carrel_sqlite::Change;
use carrel_system::blocking;

use crate::{
    Error, ImportError, Result,
    bundle::{
        Context, inspect::open_bundle, key_trust::KeyTrust, removable_media::free_bytes,
        transfer_task::TransferTask,
    },
    dictionary::Dictionaries,
};

/// Bytes of the disk that stay free.
const MIN_FREE_BYTES: u64 = 64 * 1024 * 1024;

/// A dictionary file, checked except for its database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DictionaryInfo {
    pub facts: DictionaryFacts,
    pub fingerprint: String,
    pub trust: KeyTrust,
    /// The installed pack with this id, if any.
    pub installed: Option<DictionaryFacts>,
}

pub(super) fn inspect_dictionary(
    library: &Library,
    dictionaries: &Dictionaries,
    bundle: &DictionaryBundle,
) -> Result<DictionaryInfo> {
    let key = &bundle.header.key;
    let id = &bundle.facts.id;
    let installed = dictionaries.all()?.into_iter().find(|found| found.facts.id == *id);
    let is_trusted = library.key_of(library.base_url())?.as_ref() == Some(key)
        || library.is_accepted(key)?
        || dictionaries.has_key(key)?;
    let trust = match (&installed, is_trusted) {
        // Another signer would replace a pack under its name.
        (Some(found), _) if found.key != *key => KeyTrust::Rejected(ImportError::WrongKey {
            name: found.facts.name.clone(),
            fingerprint: fingerprint(key),
        }),
        (_, true) => KeyTrust::Trusted,
        (_, false) => KeyTrust::NotAccepted,
    };
    Ok(DictionaryInfo {
        facts: bundle.facts.clone(),
        fingerprint: fingerprint(key),
        trust,
        installed: installed.map(|found| found.facts.clone()),
    })
}

/// Installs the pack of a file. `accept`: the fingerprint of the key that the user accepted, if it is not trusted yet.
pub(crate) async fn import_dictionary(
    context: &Context<'_>,
    path: &Path,
    accept: Option<&str>,
) -> Result<DictionaryFacts> {
    let library = context.account.content.library.clone();
    let dictionaries = context.dictionaries.clone();
    let running = context.transfers.begin()?;
    let task = running.task.clone();
    let (path, accept) = (path.to_owned(), accept.map(str::to_owned));
    let installed = blocking(move || {
        let (Bundle::Dictionary(bundle), mut file) = open_bundle(&path)? else {
            return Err(ImportError::File(Fault::NoContent).into());
        };
        let info = inspect_dictionary(&library, &dictionaries, &bundle)?;
        match info.trust {
            KeyTrust::Trusted => {}
            KeyTrust::NotAccepted if accept.as_deref() == Some(&info.fingerprint) => {}
            KeyTrust::NotAccepted => {
                let (name, fingerprint) = (info.facts.name, info.fingerprint);
                return Err(ImportError::NotAccepted { name, fingerprint }.into());
            }
            KeyTrust::Rejected(refusal) => return Err(refusal.into()),
        }
        copy(&mut file, &bundle, &dictionaries, &task)?;
        dictionaries.install(&bundle)?;
        Ok::<_, Error>(bundle.facts)
    })
    .await?;
    context.shared.changes.publish_one(Change::Storage);
    Ok(installed)
}

/// Copies the database to its place, and verifies it.
fn copy(
    file: &mut impl std::io::Read,
    bundle: &DictionaryBundle,
    dictionaries: &Dictionaries,
    task: &TransferTask,
) -> Result<()> {
    let part = dictionaries.prepare(bundle)?;
    let need = bundle.facts.bytes;
    let free = part.parent().and_then(free_bytes).unwrap_or(u64::MAX);
    if free < need.saturating_add(MIN_FREE_BYTES) {
        return Err(ImportError::NoSpace { need, free }.into());
    }
    task.set_total(need);
    let mut write = || -> Result<()> {
        let mut out = File::create(&part)?;
        copy_verified(file, &bundle.database(), |piece| {
            task.check()?;
            out.write_all(piece)?;
            task.add(piece.len() as u64);
            Ok::<_, Error>(())
        })?;
        out.sync_all()?;
        Ok(())
    };
    let written = write();
    if written.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    written
}

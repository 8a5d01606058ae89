//! Work that a shared machine keeps, encrypted, until its learner claims it with a code.
//!
//! The file is a work file (docs/BUNDLES.md), encrypted with a key that is derived from the code.
//!
//! Not here: when work is kept, and how long the machine remembers the code (`client::kiosk`).

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use carrel_bundle::{Bundle, Fault};
use carrel_system::{IdGen, blocking, files::write_atomic};
use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead as _, KeyInit as _},
};
use data_encoding::HEXLOWER;

use crate::{
    Error, ImportError, Result,
    bundle::{Context, ImportedWork, export::work_file, import_work::merge_work},
};

/// The digits and letters of a code: those that are not mistaken for others (Crockford's base 32).
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Letters of a code: 100 random bits, which cannot be guessed, so that the key needs no slow derivation.
const CODE_LENGTH: usize = 20;
/// Letters of a group, for display.
const GROUP: usize = 5;

/// First bytes of a file.
const MAGIC: &[u8] = b"carrel-kept/1\n";
const NONCE_BYTES: usize = 24;
const EXTENSION: &str = "kept";

/// The code with which a learner claims kept work.
#[derive(Clone, PartialEq, Eq)]
pub struct ClaimCode(String);

impl ClaimCode {
    fn random(ids: &dyn IdGen) -> Self {
        let mut bytes = [0; CODE_LENGTH];
        ids.fill(&mut bytes);
        Self(bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect())
    }

    /// Reads a code as typed: case, spaces and dashes do not matter, nor O for 0 and I or L for 1.
    pub fn parse(typed: &str) -> Option<Self> {
        let letters =
            typed.chars().filter(|c| c.is_alphanumeric()).map(|c| match c.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                c => c,
            });
        let code: String = letters.take(CODE_LENGTH + 1).collect();
        let is_code = code.len() == CODE_LENGTH && code.bytes().all(|b| LETTERS.contains(&b));
        is_code.then_some(Self(code))
    }

    fn key(&self) -> [u8; 32] {
        blake3::derive_key("carrel kept work: key", self.0.as_bytes())
    }

    fn path(&self, folder: &Path) -> PathBuf {
        let name = blake3::derive_key("carrel kept work: file name", self.0.as_bytes());
        folder.join(format!("{}.{EXTENSION}", HEXLOWER.encode(&name[..8])))
    }
}

/// Writes the code in groups, such as `7K2MF-Q8D3X-0VWR5-9ABCD`.
impl std::fmt::Display for ClaimCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, letter) in self.0.chars().enumerate() {
            if at > 0 && at % GROUP == 0 {
                f.write_str("-")?;
            }
            write!(f, "{letter}")?;
        }
        Ok(())
    }
}

/// Returns a new code.
pub(crate) fn new_code(ids: &dyn IdGen) -> ClaimCode {
    ClaimCode::random(ids)
}

/// Keeps all work of the account in `folder`, encrypted with `code`, and returns the number of rows. The file is on the
/// disk when this returns; nothing else is written, so that no unencrypted copy can remain.
pub(crate) async fn keep_work(
    context: &Context<'_>,
    folder: &Path,
    code: &ClaimCode,
) -> Result<u64> {
    let work = work_file(context).await?;
    let (ids, code, folder) = (context.shared.config.ids.clone(), code.clone(), folder.to_owned());
    blocking(move || {
        let mut nonce = [0; NONCE_BYTES];
        ids.fill(&mut nonce);
        let sealed = cipher(&code)?
            .encrypt(XNonce::from_slice(&nonce), work.bytes.as_slice())
            .map_err(|e| Error::Internal(format!("the work cannot be encrypted: {e}")))?;
        fs::create_dir_all(&folder)?;
        write_atomic(&code.path(&folder), &[MAGIC, &nonce, &sealed].concat())?;
        Ok(work.rows)
    })
    .await
}

/// Merges kept work with that of the open account, and then deletes the file.
///
/// # Errors
///
/// `Error::NotFound` if no work is kept under the code; the errors of an import of a work file. The file is then kept.
pub(crate) async fn claim_work(
    context: &Context<'_>,
    folder: &Path,
    typed: &str,
) -> Result<ImportedWork> {
    let unknown = || {
        let hint = "check the code, and use the machine on which it was shown";
        Error::NotFound(format!("work that is kept under this code; hint: {hint}"))
    };
    let code = ClaimCode::parse(typed).ok_or_else(unknown)?;
    let kept = code.path(folder);
    let source = kept.clone();
    let work = blocking(move || {
        let sealed = match fs::read(&source) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == ErrorKind::NotFound => return Err(unknown()),
            Err(e) => return Err(e.into()),
        };
        let damaged = || Error::from(ImportError::File(Fault::RowsDamaged));
        let rest = sealed.strip_prefix(MAGIC).ok_or_else(damaged)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_BYTES).ok_or_else(damaged)?;
        let bytes = cipher(&code)?.decrypt(XNonce::from_slice(nonce), sealed);
        let bytes = bytes.map_err(|_| damaged())?;
        let len = bytes.len() as u64;
        match carrel_bundle::open(&mut bytes.as_slice(), len).map_err(ImportError::File)? {
            Bundle::Work(work) => Ok(work),
            Bundle::Courses(_) | Bundle::Dictionary(_) => Err(damaged()),
        }
    })
    .await?;
    let imported = merge_work(context, work, true).await?;
    if let Err(e) = blocking(move || Ok::<_, Error>(fs::remove_file(kept)?)).await {
        // Claiming it again changes nothing.
        tracing::warn!(error = %e, "claimed work could not be deleted");
    }
    Ok(imported)
}

/// Deletes kept work whose code cannot be shown.
pub(crate) async fn discard_work(folder: &Path, code: &ClaimCode) {
    let path = code.path(folder);
    if let Err(e) = blocking(move || Ok::<_, Error>(fs::remove_file(path)?)).await {
        tracing::warn!(error = %e, "kept work without a code could not be deleted");
    }
}

/// Returns true if work is kept in `folder`. Blocking.
pub(crate) fn has_kept_work(folder: &Path) -> bool {
    let Ok(files) = fs::read_dir(folder) else { return false };
    files.flatten().any(|file| file.path().extension().is_some_and(|e| e == EXTENSION))
}

fn cipher(code: &ClaimCode) -> Result<XChaCha20Poly1305> {
    XChaCha20Poly1305::new_from_slice(&code.key()).map_err(|e| Error::Internal(e.to_string()))
}

#[cfg(test)]
mod tests {
    use carrel_testkit::SeededIds;

    use super::*;

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let code = ClaimCode::random(&SeededIds::new(3));
        let shown = code.to_string();
        assert_eq!(shown.len(), CODE_LENGTH + 3, "{shown}");
        let typed = [
            shown.clone(),
            shown.to_lowercase(),
            shown.replace('-', " "),
            format!("  {}\n", shown.replace('-', "").replace('0', "o").replace('1', "l")),
        ];
        for typed in typed {
            assert!(ClaimCode::parse(&typed).is_some_and(|found| found == code), "{typed}");
        }
        for wrong in ["", "7K2MF", &format!("{shown}X"), &"U".repeat(CODE_LENGTH), &"é".repeat(20)]
        {
            assert!(ClaimCode::parse(wrong).is_none(), "{wrong}");
        }
        let other = ClaimCode::random(&SeededIds::new(4));
        let folder = Path::new("kept");
        assert!(other.key() != code.key() && other.path(folder) != code.path(folder));
        assert!(!code.path(folder).display().to_string().contains(&shown[..GROUP]));
    }
}

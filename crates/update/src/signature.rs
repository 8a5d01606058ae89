//! minisign signatures, and the facts that their signed comments state.
//!
//! A minisign signature has two parts: the signature of the bytes, and the global signature of that signature and the
//! trusted comment. So nobody without the private key can give a file another comment. The comment consists of
//! `name:value` fields separated by tabs, as the Tauri CLI writes them; `version` is also read by
//! `tauri-plugin-updater`.

use std::{fs::File, io::Read, path::Path};

use minisign_verify::{Error as Minisign, PublicKey, Signature};

use crate::{Error, Result};

/// Bytes that are read from a file at once.
const CHUNK: usize = 128 * 1024;

/// The public keys whose signatures are accepted: more than one while a key is replaced.
#[derive(Debug, Clone, Default)]
pub struct Keys(Vec<(PublicKey, String)>);

impl Keys {
    /// Returns the keys that are compiled in.
    pub fn compiled_in() -> Result<Self> {
        const KEYS: &[&str] = include!(concat!(env!("OUT_DIR"), "/keys.rs"));
        Self::parse(KEYS.iter().copied())
    }
    /// Reads minisign public keys: each the text of a `.pub` file, or only its second line.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let parse = |text: &str| {
            let text = text.trim();
            let line = text.lines().nth(1).unwrap_or(text).trim();
            let key = PublicKey::from_base64(line);
            let key =
                key.map_err(|e| Error::NotSetUp(format!("a public key cannot be read: {e}")))?;
            Ok((key, line.to_owned()))
        };
        texts.into_iter().map(parse).collect::<Result<_>>().map(Self)
    }
    /// Returns the text of a `.pub` file for each key.
    pub fn to_files(&self) -> Vec<String> {
        self.0
            .iter()
            .map(|(_, line)| format!("untrusted comment: minisign public key\n{line}\n"))
            .collect()
    }
    /// Returns true if there is no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Verifies the signature of `bytes`; returns its comment. `file` names the bytes in errors.
    pub fn verify(&self, file: &str, mut bytes: &[u8], signature: &str) -> Result<Comment> {
        self.verify_reader(file, &mut bytes, signature)
    }
    /// Verifies the signature of a file. Blocking.
    pub fn verify_file(&self, path: &Path, signature: &str) -> Result<Comment> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        self.verify_reader(&name, &mut File::open(path)?, signature)
    }
    /// Verifies the signature of all bytes of `reader`. Blocking.
    pub fn verify_reader(
        &self,
        file: &str,
        reader: &mut dyn Read,
        signature: &str,
    ) -> Result<Comment> {
        let invalid = |e: Minisign| {
            let problem = match e {
                Minisign::UnexpectedKeyId => "it is by a key that this app does not accept".into(),
                e => e.to_string(),
            };
            Error::Signature { file: file.to_owned(), problem }
        };
        let signature = Signature::decode(signature.trim()).map_err(invalid)?;
        let mut last = Minisign::UnexpectedKeyId;
        let mut verifier = None;
        for (key, _) in &self.0 {
            match key.verify_stream(&signature) {
                Ok(found) => verifier = Some(found),
                Err(e) => last = e,
            }
        }
        let mut verifier = verifier.ok_or_else(|| invalid(last))?;
        let mut chunk = vec![0; CHUNK];
        loop {
            match reader.read(&mut chunk)? {
                0 => break,
                n => verifier.update(&chunk[..n]),
            }
        }
        verifier.finalize().map_err(invalid)?;
        Ok(Comment(signature.trusted_comment().to_owned()))
    }
}

/// The signed comment of a valid signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment(String);

impl Comment {
    /// Writes a comment.
    ///
    /// # Panics
    ///
    /// If a value contains a tab or a line break.
    pub fn write(fields: &[(&str, &str)]) -> String {
        let field = |(name, value): &(&str, &str)| {
            assert!(!value.contains(['\t', '\n', '\r']), "a field with a separator: {value:?}");
            format!("{name}:{value}")
        };
        fields.iter().map(field).collect::<Vec<_>>().join("\t")
    }
    /// Returns a field; empty if it is absent.
    pub fn field(&self, name: &str) -> &str {
        let value = |field: &'_ str| -> Option<usize> {
            field.strip_prefix(name)?.strip_prefix(':').map(str::len)
        };
        let find = |field: &&str| value(field).is_some();
        let found = self.0.split('\t').find(find).unwrap_or_default();
        &found[found.len() - value(found).unwrap_or(0)..]
    }
    /// Returns an error unless the field has this value.
    pub fn require(&self, file: &str, field: &'static str, expected: &str) -> Result<()> {
        let found = self.field(field);
        if found == expected {
            return Ok(());
        }
        let found = if found.is_empty() { "none" } else { found };
        Err(Error::OtherFile {
            file: file.to_owned(),
            field,
            found: found.to_owned(),
            expected: expected.to_owned(),
        })
    }
}

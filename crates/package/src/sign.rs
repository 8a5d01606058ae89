//! Signs manifests. Verification is `SignedManifest::verify` in `carrel-model`, so that the client needs none of this crate.
//!
//! Not here: where keys are kept and how they are made.

use carrel_model::content::{Manifest, SignedManifest};
use ed25519_dalek::{Signer, SigningKey};

/// Signs the canonical JSON of a manifest (ed25519, RFC 8032: the same manifest and key give the same signature).
pub fn sign(manifest: &Manifest, key: &SigningKey) -> SignedManifest {
    let text = manifest.to_canonical();
    let signature = key.sign(text.as_bytes());
    SignedManifest {
        manifest: text,
        key: hex(key.verifying_key().as_bytes()),
        signature: hex(&signature.to_bytes()),
    }
}

/// Lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|b| [b >> 4, b & 15])
        .map(|n| char::from(DIGITS[usize::from(n)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use carrel_model::content::{
        Cover, Dir, ManifestBlob, ManifestContent, SignatureError, StoryMeta,
    };
    use carrel_model::{BlobHash, Slug};

    fn manifest() -> Manifest {
        let blob = |n: u8| ManifestBlob {
            hash: BlobHash([n; 32]),
            size: 1,
            media_type: "text/plain".into(),
        };
        let meta = StoryMeta {
            id: Slug::new("s").unwrap(),
            title: "Ä".into(),
            description: String::new(),
            lang: "en".into(),
            dir: Dir::Ltr,
            level: 1,
            category: String::new(),
            tags: Vec::new(),
            authors: Vec::new(),
            license: "CC0-1.0".into(),
            credits: String::new(),
            cover: Cover::from_title("Ä"),
            page_count: 1,
            narrated: false,
            total_bytes: 2,
        };
        Manifest {
            format: carrel_model::content::MANIFEST_FORMAT.into(),
            content: ManifestContent::Story { meta, body: BlobHash([1; 32]) },
            blobs: vec![blob(1), blob(2)],
        }
    }

    #[test]
    fn a_signed_manifest_is_believed_and_a_changed_one_is_not() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let signed = sign(&manifest(), &key);
        assert_eq!(signed.verify(None), Ok(manifest()));
        assert_eq!(signed.verify(Some(&signed.key)), Ok(manifest()));
        assert_eq!(sign(&manifest(), &key), signed);

        let other = sign(&manifest(), &SigningKey::from_bytes(&[8; 32]));
        assert_eq!(other.verify(Some(&signed.key)), Err(SignatureError::WrongKey));
        let edited = SignedManifest {
            manifest: signed.manifest.replace("\"level\":1", "\"level\":2"),
            ..signed.clone()
        };
        assert_ne!(edited.manifest, signed.manifest);
        assert_eq!(edited.verify(None), Err(SignatureError::Mismatch));
        let swapped = SignedManifest { key: other.key.clone(), ..signed.clone() };
        assert_eq!(swapped.verify(None), Err(SignatureError::Mismatch));
        for (key, signature) in [
            ("", signed.signature.as_str()),
            (signed.key.as_str(), ""),
            (&signed.key[..62], signed.signature.as_str()),
            (&signed.key.to_uppercase(), signed.signature.as_str()),
            (&"zz".repeat(32), signed.signature.as_str()),
            (signed.key.as_str(), &"é".repeat(64)),
        ] {
            let bad = SignedManifest {
                key: key.to_owned(),
                signature: signature.to_owned(),
                ..signed.clone()
            };
            assert_eq!(bad.verify(None), Err(SignatureError::Malformed), "{key} {signature}");
        }
        // The small-order point: every signature with it fits some message unless verification is strict.
        let weak = SignedManifest { key: format!("01{}", "00".repeat(31)), ..signed.clone() };
        assert_eq!(weak.verify(None), Err(SignatureError::Mismatch));
    }

    #[test]
    fn well_signed_nonsense_is_unreadable() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let resign = |text: String| SignedManifest {
            signature: hex(&key.sign(text.as_bytes()).to_bytes()),
            key: hex(key.verifying_key().as_bytes()),
            manifest: text,
        };
        let newer = resign(r#"{"format":"carrel-manifest/2"}"#.to_owned()).verify(None);
        assert!(
            matches!(&newer, Err(SignatureError::Unreadable(what)) if what.contains("carrel-manifest/2")),
            "{newer:?}"
        );
        let mut twice = manifest();
        twice.blobs[1].hash = twice.blobs[0].hash;
        let cut: String = manifest().to_canonical().chars().take(50).collect();
        for text in [String::new(), "<html>".into(), cut, twice.to_canonical()] {
            assert!(matches!(resign(text).verify(None), Err(SignatureError::Unreadable(_))));
        }
    }
}

//! The keys of a provider (RFC 7517), and signatures with them.
//!
//! The algorithm of a token selects the kind of key: a public RSA key is never used as the secret of an HMAC.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;

use crate::error::TokenProblem;

/// Maximum number of keys that are read.
const MAX_KEYS: usize = 100;

/// The algorithms that are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Rs256,
    Es256,
    EdDsa,
}

impl Algorithm {
    pub fn of_name(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            "EdDSA" => Some(Self::EdDsa),
            _ => None,
        }
    }
    fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// A key as the provider publishes it.
#[derive(Debug, Deserialize)]
struct Jwk {
    #[serde(default)]
    kty: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default, rename = "use")]
    usage: Option<String>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default)]
    crv: Option<String>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
    #[serde(default)]
    x: Option<String>,
    #[serde(default)]
    y: Option<String>,
}

/// The document at `jwks_uri`.
#[derive(Debug, Deserialize)]
pub(crate) struct Jwks {
    keys: Vec<serde_json::Value>,
}

#[derive(Debug)]
enum Public {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// Uncompressed point.
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

#[derive(Debug)]
struct Key {
    id: Option<String>,
    public: Public,
}

/// The usable keys of a provider.
#[derive(Debug)]
pub(crate) struct Keys(Vec<Key>);

impl Keys {
    /// Keeps the keys for signatures with an accepted algorithm, and ignores all others.
    pub fn of(document: Jwks) -> Self {
        let keys = document.keys.into_iter().take(MAX_KEYS);
        Self(keys.filter_map(|value| key(serde_json::from_value(value).ok()?)).collect())
    }

    /// Verifies a signature.
    ///
    /// # Errors
    /// `UnknownKey` if no key has this id and kind; `Signature` if it is not the signature of one of them.
    pub fn verify(
        &self,
        algorithm: Algorithm,
        id: Option<&str>,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<(), TokenProblem> {
        let mut result = Err(TokenProblem::UnknownKey);
        for key in &self.0 {
            // A token without an id may be signed with any of them.
            if key.public.algorithm() != algorithm || (id.is_some() && key.id.as_deref() != id) {
                continue;
            }
            match key.public.verify(signed, signature) {
                Ok(()) => return Ok(()),
                Err(_) => result = Err(TokenProblem::Signature),
            }
        }
        result
    }
}

impl Public {
    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa { .. } => Algorithm::Rs256,
            Self::P256(_) => Algorithm::Es256,
            Self::Ed25519(_) => Algorithm::EdDsa,
        }
    }
    fn verify(&self, signed: &[u8], signature: &[u8]) -> Result<(), ring::error::Unspecified> {
        match self {
            Self::Rsa { n, e } => RsaPublicKeyComponents { n, e }.verify(
                &signature::RSA_PKCS1_2048_8192_SHA256,
                signed,
                signature,
            ),
            Self::P256(point) => UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point)
                .verify(signed, signature),
            Self::Ed25519(key) => {
                UnparsedPublicKey::new(&signature::ED25519, key).verify(signed, signature)
            }
        }
    }
}

fn key(jwk: Jwk) -> Option<Key> {
    let public = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) => Public::Rsa { n: number(jwk.n.as_deref()?)?, e: number(jwk.e.as_deref()?)? },
        ("EC", Some("P-256")) => {
            let (x, y) = (bytes(jwk.x.as_deref()?)?, bytes(jwk.y.as_deref()?)?);
            if x.len() != 32 || y.len() != 32 {
                return None;
            }
            Public::P256([&[4], x.as_slice(), &y].concat())
        }
        ("OKP", Some("Ed25519")) => Public::Ed25519(bytes(jwk.x.as_deref()?)?),
        _ => return None,
    };
    let is_for_signatures = jwk.usage.as_deref().is_none_or(|usage| usage == "sig");
    let is_same = jwk.alg.as_deref().is_none_or(|alg| alg == public.algorithm().name());
    (is_for_signatures && is_same).then_some(Key { id: jwk.kid, public })
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Returns the bytes of a number without leading zeros, as ring requires them.
fn number(text: &str) -> Option<Vec<u8>> {
    let bytes = bytes(text)?;
    let start = bytes.iter().position(|byte| *byte != 0)?;
    Some(bytes[start..].to_vec())
}

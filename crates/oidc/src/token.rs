//! ID tokens: the signature, and the claims that have to fit the sign-in (OpenID Connect Core 3.1.3.7).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    error::TokenProblem,
    keys::{Algorithm, Keys},
};

/// Difference between the clocks of provider and server that is accepted, in seconds.
const SKEW_S: f64 = 60.0;
const MAX_TOKEN: usize = 64 * 1024;
/// Longest subject, in bytes; OpenID Connect allows 255.
const MAX_SUBJECT: usize = 255;
/// Maximum number of groups that are read.
const MAX_GROUPS: usize = 1_000;

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    crit: Option<Value>,
}

/// What the claims of a token are compared with.
pub(crate) struct Expected<'e> {
    pub issuer: &'e str,
    pub client_id: &'e str,
    pub nonce: &'e str,
    pub now_ms: i64,
}

/// Who has signed in, as the provider states it.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    pub issuer: String,
    /// Id of the person, unique for this issuer, and never reused.
    pub subject: String,
    /// Directory and id of the person in it (`tid`, `oid`), if the issuer is that of the directory. Equal for all
    /// clients of the directory, in contrast to `subject`.
    pub object: Option<(String, String)>,
    claims: Map<String, Value>,
}

impl Identity {
    /// Returns a claim that is a text or a number, without spaces at its ends; `None` if it is empty.
    pub fn text(&self, claim: &str) -> Option<String> {
        let text = match self.claims.get(claim)? {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        (!text.is_empty()).then_some(text)
    }
    /// Returns the texts of a claim that is a list or one text. `None` if the provider did not send it, so that nothing
    /// is known; a provider sends an empty list for somebody without groups.
    pub fn list(&self, claim: &str) -> Option<Vec<String>> {
        match self.claims.get(claim)? {
            Value::String(text) => Some(vec![text.clone()]),
            Value::Array(items) => Some(
                items
                    .iter()
                    .take(MAX_GROUPS)
                    .filter_map(|item| item.as_str().map(str::to_owned))
                    .collect(),
            ),
            _ => None,
        }
    }
}

fn part(text: &str) -> Result<Vec<u8>, TokenProblem> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| TokenProblem::Malformed("it is not base64url".to_owned()))
}

fn json<'b, T: Deserialize<'b>>(bytes: &'b [u8]) -> Result<T, TokenProblem> {
    serde_json::from_slice(bytes).map_err(|e| TokenProblem::Malformed(e.to_string()))
}

/// Verifies a token and returns its subject and claims.
pub(crate) fn verify(
    token: &str,
    keys: &Keys,
    expected: &Expected<'_>,
) -> Result<Identity, TokenProblem> {
    if token.len() > MAX_TOKEN {
        return Err(TokenProblem::Malformed("it is too long".to_owned()));
    }
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = match parts.as_slice() {
        [header, payload, signature] => [*header, *payload, *signature],
        [_, _, _, _, _] => return Err(TokenProblem::Encrypted),
        _ => return Err(TokenProblem::Malformed("it does not have three parts".to_owned())),
    };
    let signed = &token[..header.len() + 1 + payload.len()];
    let header: Header = json(&part(header)?)?;
    let algorithm = Algorithm::of_name(&header.alg)
        .ok_or_else(|| TokenProblem::Algorithm(header.alg.clone()))?;
    if header.crit.is_some() {
        return Err(TokenProblem::Extensions);
    }
    keys.verify(algorithm, header.kid.as_deref(), signed.as_bytes(), &part(signature)?)?;
    identity(json(&part(payload)?)?, expected)
}

/// Checks the claims of a token whose signature is valid.
fn identity(claims: Map<String, Value>, expected: &Expected<'_>) -> Result<Identity, TokenProblem> {
    let text = |name: &'static str| {
        claims.get(name).and_then(Value::as_str).ok_or(TokenProblem::Claim(name)).map(str::to_owned)
    };
    let seconds = |name: &'static str| {
        claims
            .get(name)
            .and_then(Value::as_f64)
            .filter(|s| s.is_finite())
            .ok_or(TokenProblem::Claim(name))
    };
    let issuer = text("iss")?;
    if issuer != expected.issuer {
        return Err(TokenProblem::Issuer(issuer));
    }
    let audiences: Vec<&str> = match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        _ => return Err(TokenProblem::Claim("aud")),
    };
    if !audiences.contains(&expected.client_id) {
        return Err(TokenProblem::Audience);
    }
    match claims.get("azp") {
        Some(azp) if azp.as_str() != Some(expected.client_id) => {
            return Err(TokenProblem::AuthorizedParty);
        }
        // With several audiences, the token has to state that it was issued to this one.
        None if audiences.len() > 1 => return Err(TokenProblem::AuthorizedParty),
        _ => {}
    }
    let now_s = expected.now_ms as f64 / 1000.0;
    if seconds("exp")? + SKEW_S <= now_s {
        return Err(TokenProblem::Expired);
    }
    let starts = if claims.contains_key("nbf") { seconds("nbf")? } else { f64::MIN };
    if seconds("iat")?.max(starts) - SKEW_S > now_s {
        return Err(TokenProblem::Future);
    }
    if text("nonce")? != expected.nonce {
        return Err(TokenProblem::Nonce);
    }
    let subject = text("sub")?;
    if subject.is_empty() || subject.len() > MAX_SUBJECT {
        return Err(TokenProblem::Claim("sub"));
    }
    let object = match (text("tid"), text("oid")) {
        // Another provider could let people choose these claims: the issuer has to be that of the directory.
        (Ok(tid), Ok(oid))
            if is_id(&tid) && is_id(&oid) && issuer.split('/').any(|part| part == tid) =>
        {
            Some((tid, oid))
        }
        _ => None,
    };
    Ok(Identity { issuer, subject, object, claims })
}

/// Returns true for an id of a directory: a UUID.
fn is_id(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|c| c.is_ascii_hexdigit() || c == b'-')
}

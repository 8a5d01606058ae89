//! Refresh tokens and account certificates. Both are authenticated by keys derived from the signing key, which is part
//! of every backup. A server restored from a backup can therefore verify tokens and certificates issued after the
//! backup, although its database has no record of them.
//!
//! Not here: which generation of a refresh token is valid (`sessions`), requests (`carrel-server`).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use carrel_model::{
    DeviceId, UserId,
    wire::{Role, UserInfo},
};
use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, KeyInit, Payload},
};
use uuid::Uuid;

use carrel_password::{PasswordError, random};

use crate::{signing::Signer, store::tx::StoredAccount};

const REFRESH_CONTEXT: &str = "carrel server 2026-11 refresh token";
const CODE_CONTEXT: &str = "carrel server 2026-11 one-time code";
const MAIL_CONTEXT: &str = "carrel server 2026-11 code of a message";
const CERTIFICATE_CONTEXT: &str = "carrel server 2026-11 account certificate";
/// The first bytes of a token identify its format, so that a later release can change the format.
const REFRESH_FORMAT: &[u8] = b"r1";
const CERTIFICATE_FORMAT: &[u8] = b"c1";
const REFRESH_PREFIX: &str = "crt_";
const CERTIFICATE_PREFIX: &str = "cac_";
/// Lengths of format, sign-in, branch, user, device, generation, issued, expires, MAC.
const REFRESH_LEN: usize = 2 + 16 + 4 + 16 + 16 + 8 + 8 + 8 + 32;
const NONCE: usize = 24;
/// Start of 2026. A token issued earlier does not expire, because the clock of the server was wrong when it was issued.
const CLOCK_IS_PLAUSIBLE_FROM_MS: i64 = 1_767_225_600_000;

/// Keys derived from the signing key.
#[derive(Clone)]
pub struct TokenKeys {
    refresh: [u8; 32],
    certificate: [u8; 32],
    code: [u8; 32],
    mail: [u8; 32],
}

/// Content of a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshToken {
    pub sign_in: Uuid,
    /// 0 for the first branch. Redeeming a token again after a lost reply starts a new branch.
    pub branch: u32,
    pub user: UserId,
    pub device: DeviceId,
    /// Counts the refreshes of a branch; each token can be redeemed once.
    pub generation: i64,
    pub issued_ms: i64,
    pub expires_ms: i64,
}

impl RefreshToken {
    pub fn is_expired(&self, now_ms: i64) -> bool {
        self.issued_ms >= CLOCK_IS_PLAUSIBLE_FROM_MS && self.expires_ms <= now_ms
    }
}

impl From<StoredAccount> for AccountCertificate {
    fn from(StoredAccount { user, password }: StoredAccount) -> Self {
        Self { user, password }
    }
}

/// Content of an account certificate: the data needed to recreate the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountCertificate {
    pub user: UserInfo,
    /// PHC string; empty if the account has no password.
    pub password: String,
}

impl TokenKeys {
    /// `salt`: value of `facts::TOKEN_SALT`. It changes when all sign-ins are ended, which invalidates all earlier
    /// refresh tokens.
    pub fn new(signer: &dyn Signer, salt: &str) -> Self {
        Self {
            refresh: signer.derive_key(REFRESH_CONTEXT, salt.as_bytes()),
            certificate: signer.derive_key(CERTIFICATE_CONTEXT, b""),
            code: signer.derive_key(CODE_CONTEXT, b""),
            mail: signer.derive_key(MAIL_CONTEXT, b""),
        }
    }

    /// Returns the hash of a one-time code, as typed or printed. Who copies the database cannot try codes without the key.
    pub fn code_hash(&self, user: UserId, code: &str) -> [u8; 32] {
        let letters = carrel_people::codes::typed_code(code).unwrap_or_default();
        let bytes = [user.0.as_bytes().as_slice(), letters.as_bytes()].concat();
        *blake3::keyed_hash(&self.code, &bytes).as_bytes()
    }

    /// Returns the code of the link of a message. It is derived from the id of the message, so that the database does not
    /// contain it.
    pub fn mail_code(&self, mail: Uuid) -> String {
        let hash = blake3::keyed_hash(&self.mail, mail.as_bytes());
        let (bytes, _) = hash.as_bytes().split_at(12);
        carrel_people::codes::code_text(bytes.try_into().unwrap_or_default())
    }

    pub fn refresh_token(&self, token: &RefreshToken) -> String {
        let mut bytes = Vec::with_capacity(REFRESH_LEN);
        bytes.extend_from_slice(REFRESH_FORMAT);
        bytes.extend_from_slice(token.sign_in.as_bytes());
        bytes.extend_from_slice(&token.branch.to_be_bytes());
        bytes.extend_from_slice(token.user.0.as_bytes());
        bytes.extend_from_slice(token.device.0.as_bytes());
        for number in [token.generation, token.issued_ms, token.expires_ms] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        let mac = blake3::keyed_hash(&self.refresh, &bytes);
        bytes.extend_from_slice(mac.as_bytes());
        format!("{REFRESH_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Verifies and parses a refresh token. Returns `None` if this server did not issue it.
    pub fn open_refresh_token(&self, text: &str) -> Option<RefreshToken> {
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(REFRESH_PREFIX)?).ok()?;
        if bytes.len() != REFRESH_LEN {
            return None;
        }
        let (signed, mac) = bytes.split_at(REFRESH_LEN - 32);
        let mac: [u8; 32] = mac.try_into().ok()?;
        // `blake3::Hash` is compared in constant time.
        if blake3::keyed_hash(&self.refresh, signed) != blake3::Hash::from_bytes(mac) {
            return None;
        }
        let mut rest = signed.strip_prefix(REFRESH_FORMAT)?;
        let sign_in = Uuid::from_bytes(take(&mut rest)?);
        let branch = u32::from_be_bytes(take(&mut rest)?);
        let user = UserId(Uuid::from_bytes(take(&mut rest)?));
        let device = DeviceId(Uuid::from_bytes(take(&mut rest)?));
        let generation = i64::from_be_bytes(take(&mut rest)?);
        let issued_ms = i64::from_be_bytes(take(&mut rest)?);
        let expires_ms = i64::from_be_bytes(take(&mut rest)?);
        Some(RefreshToken { sign_in, branch, user, device, generation, issued_ms, expires_ms })
    }

    /// Returns an encrypted certificate, which only a server with the same signing key can read or create.
    pub fn certificate(&self, account: &AccountCertificate) -> Result<String, PasswordError> {
        let mut plaintext = Vec::with_capacity(256);
        plaintext.extend_from_slice(account.user.id.0.as_bytes());
        plaintext.push(match account.user.role {
            Role::Student => 0,
            Role::Instructor => 1,
            Role::Administrator => 2,
        });
        for text in [&account.user.login, &account.user.name, &account.password] {
            let len = u16::try_from(text.len())
                .map_err(|_| PasswordError::Hash("a field of the account is too long".into()))?;
            plaintext.extend_from_slice(&len.to_be_bytes());
            plaintext.extend_from_slice(text.as_bytes());
        }
        let nonce = random::<NONCE>()?;
        let payload = Payload { msg: &plaintext, aad: CERTIFICATE_FORMAT };
        let ciphertext = self
            .cipher()
            .encrypt(XNonce::from_slice(&nonce), payload)
            .map_err(|_| PasswordError::Hash("failed to encrypt a certificate".into()))?;
        let bytes = [CERTIFICATE_FORMAT, nonce.as_slice(), &ciphertext].concat();
        Ok(format!("{CERTIFICATE_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Decrypts a certificate. Returns `None` if this server did not issue it.
    pub fn open_certificate(&self, text: &str) -> Option<AccountCertificate> {
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(CERTIFICATE_PREFIX)?).ok()?;
        let (nonce, ciphertext) =
            bytes.strip_prefix(CERTIFICATE_FORMAT)?.split_at_checked(NONCE)?;
        let payload = Payload { msg: ciphertext, aad: CERTIFICATE_FORMAT };
        let plaintext = self.cipher().decrypt(XNonce::from_slice(nonce), payload).ok()?;
        let mut rest = plaintext.as_slice();
        let id = UserId(Uuid::from_bytes(take(&mut rest)?));
        let role = match take::<1>(&mut rest)? {
            [0] => Role::Student,
            [1] => Role::Instructor,
            [2] => Role::Administrator,
            _ => return None,
        };
        let mut text = || -> Option<String> {
            let len = usize::from(u16::from_be_bytes(take(&mut rest)?));
            let (text, tail) = rest.split_at_checked(len)?;
            rest = tail;
            String::from_utf8(text.to_vec()).ok()
        };
        let (login, name, password) = (text()?, text()?, text()?);
        Some(AccountCertificate { user: UserInfo { id, login, name, role }, password })
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&self.certificate).into())
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_at_checked(N)?;
    *rest = tail;
    head.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::LocalKey;

    fn keys(seed: u8, salt: &str) -> TokenKeys {
        TokenKeys::new(&LocalKey::from_bytes(&[seed; 32]), salt)
    }
    fn token() -> RefreshToken {
        RefreshToken {
            sign_in: Uuid::from_u128(1),
            branch: 7,
            user: UserId::from_u128(2),
            device: DeviceId::from_u128(3),
            generation: 4,
            issued_ms: 1_790_000_000_000,
            expires_ms: 1_790_000_000_001,
        }
    }
    fn account() -> AccountCertificate {
        AccountCertificate {
            user: UserInfo {
                id: UserId::from_u128(2),
                login: "noor".into(),
                name: "Noor".into(),
                role: Role::Instructor,
            },
            password: "$argon2id$".into(),
        }
    }

    #[test]
    fn only_issued_tokens_are_accepted() {
        let (ours, theirs) = (keys(1, "a"), keys(2, "a"));
        let (refresh, certificate) =
            (ours.refresh_token(&token()), ours.certificate(&account()).unwrap());
        assert_eq!(ours.open_refresh_token(&refresh), Some(token()));
        assert_eq!(ours.open_certificate(&certificate), Some(account()));
        assert_eq!(theirs.open_refresh_token(&refresh), None);
        assert_eq!(theirs.open_certificate(&certificate), None);
        // After all sign-ins were ended, refresh tokens are invalid but certificates are valid.
        assert_eq!(keys(1, "b").open_refresh_token(&refresh), None);
        assert_eq!(keys(1, "b").open_certificate(&certificate), Some(account()));
        assert_eq!(ours.open_refresh_token(&certificate), None);
        assert_eq!(ours.open_certificate(&refresh), None);
    }

    #[test]
    fn every_changed_character_is_detected() {
        let ours = keys(1, "");
        for (text, is_token) in
            [(ours.refresh_token(&token()), true), (ours.certificate(&account()).unwrap(), false)]
        {
            for at in 0..text.len() {
                let mut bytes = text.clone().into_bytes();
                bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
                let changed = String::from_utf8(bytes).unwrap();
                if is_token {
                    assert_eq!(ours.open_refresh_token(&changed), None, "character {at}");
                } else {
                    assert_eq!(ours.open_certificate(&changed), None, "character {at}");
                }
                assert_eq!(ours.open_refresh_token(&text[..at]), None);
                assert_eq!(ours.open_certificate(&text[..at]), None);
            }
        }
    }

    #[test]
    fn a_token_issued_with_a_wrong_clock_does_not_expire() {
        let good = token();
        assert!(!good.is_expired(good.expires_ms - 1) && good.is_expired(good.expires_ms));
        let wrong_clock = RefreshToken { issued_ms: 60_000, expires_ms: 15_552_060_000, ..good };
        assert!(!wrong_clock.is_expired(good.issued_ms));
    }
}

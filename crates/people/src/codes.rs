//! One-time codes. With one on paper, a person signs in once without a password, and can set a new one; with one in the
//! link of a message, a person sets a password.
//!
//! A code is stored as a keyed hash, expires, and is deleted when it is used. An account has at most one code of each
//! kind.
//!
//! Not here: limits on attempts, and the key of the hash (`carrel-server`).

use carrel_model::UserId;
use carrel_store::tx::{CodeKind, CodeRow, Tx};

use crate::{
    PeopleError, Result,
    accounts::audit,
    permissions::{Caller, Permission, Subject, require},
};

/// Characters of a code: without those that are mistaken for others on paper. 32 of them, so each has 5 bits.
const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
/// Number of characters of a code: 60 bits.
const LENGTH: usize = 12;

/// Longest time for which a code is valid, in days.
pub const MAX_DAYS: u32 = 90;
const DAY_MS: i64 = 24 * 3_600_000;

/// Returns the text of a code made of random bytes, in groups of four.
pub fn code_text(random: [u8; LENGTH]) -> String {
    let letters = random.map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
    let groups: Vec<String> = letters.chunks(4).map(|group| group.iter().collect()).collect();
    groups.join("-")
}

/// Returns the characters of a typed code, whatever its case and its separators, or `None` if it cannot be one.
pub fn typed_code(text: &str) -> Option<String> {
    if text.len() > 4 * LENGTH {
        return None;
    }
    let letters: String = text
        .chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '-' | '\u{2010}'..='\u{2015}'))
        .map(|c| match c.to_ascii_uppercase() {
            // Not in the alphabet, but written instead of the character that looks like it.
            'O' | '0' => 'Q',
            'I' | '1' => 'L',
            c => c,
        })
        .collect();
    let is_code = letters.len() == LENGTH && letters.bytes().all(|c| ALPHABET.contains(&c));
    is_code.then_some(letters)
}

/// Stores a code for an account, in place of an earlier one.
///
/// # Errors
/// `Forbidden`; `NotActive` for somebody who cannot sign in; `BadCode` for a time of 0 or more than `MAX_DAYS` days.
pub fn issue(
    tx: &dyn Tx,
    caller: Caller,
    id: UserId,
    hash: [u8; 32],
    days: u32,
    now_ms: i64,
) -> Result<CodeRow> {
    require(tx, caller, Permission::IssueCodes, Subject::Person(id))?;
    if !(1..=MAX_DAYS).contains(&days) {
        return Err(PeopleError::BadCode(format!("days: must be 1 to {MAX_DAYS}")));
    }
    if tx.account_by_id(id)?.is_none() {
        return Err(PeopleError::NoPerson(id));
    }
    if !tx.is_active(id)? {
        return Err(PeopleError::NotActive);
    }
    let valid_ms = i64::from(days) * DAY_MS;
    let row = CodeRow { kind: CodeKind::SignIn, user: id, hash, expires_ms: now_ms + valid_ms };
    tx.put_code(&row)?;
    let detail = serde_json::json!({ "days": days });
    audit(tx, caller, "code.issue", id, &detail, now_ms)?;
    Ok(row)
}

/// Deletes the code of an account if it is this one and has not expired. Returns false otherwise, also for an id
/// without an account, which is looked up for a login that does not exist.
///
/// # Errors
/// An error of the store.
pub fn redeem(
    tx: &dyn Tx,
    kind: CodeKind,
    id: UserId,
    is_same: &dyn Fn(&[u8; 32]) -> bool,
    now_ms: i64,
) -> Result<bool> {
    let Some(row) = tx.code(kind, id)? else { return Ok(false) };
    if row.expires_ms <= now_ms || !is_same(&row.hash) || !tx.is_active(id)? {
        return Ok(false);
    }
    tx.delete_code(kind, id)?;
    let by = Caller { id: Some(id), rank: crate::permissions::Rank::Student };
    let action = match kind {
        CodeKind::SignIn => "code.use",
        CodeKind::Password => "password.reset",
    };
    audit(tx, by, action, id, &serde_json::json!({}), now_ms)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_it_is_typed() {
        let code = code_text([0, 31, 32, 255, 7, 8, 9, 10, 11, 12, 13, 14]);
        assert_eq!(code, "2Z2Z-9ABC-DEFG");
        for typed in ["2Z2Z-9ABC-DEFG", "2z2z9abcdefg", " 2z2z 9abc\u{2013}defg "] {
            assert_eq!(typed_code(typed).as_deref(), Some("2Z2Z9ABCDEFG"), "{typed}");
        }
        for other in [
            "",
            "2Z2Z-9ABC-DEF",
            "2Z2Z-9ABC-DEFG2",
            "a good long password",
            "éééééé",
            "!Z2Z-9ABC-DEFG",
        ] {
            assert_eq!(typed_code(other), None, "{other}");
        }
    }

    #[test]
    fn look_alike_characters_are_not_in_the_alphabet() {
        for absent in b"01OI" {
            assert!(!ALPHABET.contains(absent));
        }
        let different: std::collections::BTreeSet<u8> = ALPHABET.iter().copied().collect();
        assert_eq!(different.len(), 32);
    }
}

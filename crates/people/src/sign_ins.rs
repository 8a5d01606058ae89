//! Ends the sign-ins of a person.

use carrel_model::UserId;
use carrel_store::{StoreError, tx::Tx};
use uuid::Uuid;

/// A sign-in that was open and was ended. Its devices are told after the commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedSignIn {
    pub user: UserId,
    pub sign_in: Uuid,
}

/// Ends all sign-ins of an account, also those that a restored database lacks. Returns those that were open.
///
/// # Errors
/// An error of the store.
pub fn end_all(tx: &dyn Tx, user: UserId, now_ms: i64) -> Result<Vec<EndedSignIn>, StoreError> {
    tx.set_sign_ins_from_ms(user, now_ms)?;
    let open = tx.open_sign_ins(user)?;
    for sign_in in &open {
        // The row is kept, because its refresh tokens have a valid MAC until they expire.
        tx.end_sign_in(*sign_in, now_ms.max(1))?;
    }
    Ok(open.into_iter().map(|sign_in| EndedSignIn { user, sign_in }).collect())
}

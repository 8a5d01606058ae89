//! Ends the sign-ins of a person, and voids the codes.

use carrel_model::UserId;
use carrel_store::{
    StoreError,
    tx::{CodeKind, Tx},
};
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

/// Deletes all codes of an account, and the messages with links that were not sent yet.
///
/// # Errors
/// An error of the store.
pub fn void_codes(tx: &dyn Tx, user: UserId) -> Result<(), StoreError> {
    tx.delete_code(CodeKind::SignIn, user)?;
    void_links(tx, user)
}

/// Deletes the code of the links that were sent to an account, and the messages that were not sent yet.
///
/// # Errors
/// An error of the store.
pub fn void_links(tx: &dyn Tx, user: UserId) -> Result<(), StoreError> {
    tx.delete_code(CodeKind::Password, user)?;
    tx.delete_waiting_mails(user)
}

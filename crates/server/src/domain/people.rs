//! People: the operations of `carrel_people` in transactions.

use carrel_people::permissions::{self, Caller, Permission, Subject};

use super::DomainResult;
use crate::store::Store;

impl Store {
    /// Returns true if the caller has the permission about the subject.
    pub async fn is_allowed(
        &self,
        caller: Caller,
        permission: Permission,
        subject: Subject,
    ) -> DomainResult<bool> {
        let read = self
            .read("is_allowed", move |tx| permissions::is_allowed(tx, caller, permission, subject));
        Ok(read.await?)
    }
}

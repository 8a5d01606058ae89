//! Messages with links: the operations of `carrel_people::mail` in transactions.

use carrel_model::UserId;
use carrel_people::{
    codes,
    mail::{self, CodeOf, Invited, MailOutcome},
    permissions::Caller,
};
use carrel_roster::{ClassId, Person};

use crate::{
    DomainResult,
    store::{
        Store,
        tx::{CodeKind, MailRow, PersonKey},
    },
    tokens::TokenKeys,
};

/// A message in a list, with the login of its account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedMail {
    pub mail: MailRow,
    pub login: String,
}

/// Runs `f` with the function that returns the hashes of codes.
fn with_codes<T>(keys: &TokenKeys, f: impl FnOnce(CodeOf<'_>) -> T) -> T {
    f(&|mail, user| keys.code_hash(user, &keys.mail_code(mail)))
}

impl Store {
    /// Writes a message with a link to each active account with this login or e-mail address. Returns their number.
    pub async fn request_password_reset(
        &self,
        typed: String,
        lang: String,
        keys: TokenKeys,
        now_ms: i64,
    ) -> DomainResult<u32> {
        self.write_people("request_password_reset", move |tx, _| {
            with_codes(&keys, |code_of| mail::request_reset(tx, &typed, &lang, code_of, now_ms))
        })
        .await
    }

    /// Writes an invitation to a person.
    ///
    /// # Errors
    /// `Forbidden`, `NoPerson`, `NotActive`, `NoAddress`.
    pub async fn invite(
        &self,
        caller: Caller,
        id: UserId,
        keys: TokenKeys,
        now_ms: i64,
    ) -> DomainResult<()> {
        self.write_people("invite", move |tx, _| {
            with_codes(&keys, |code_of| mail::invite(tx, caller, id, code_of, now_ms))
        })
        .await
    }

    /// Writes an invitation to each active student of a class who has no password.
    ///
    /// # Errors
    /// `Forbidden`.
    pub async fn invite_class(
        &self,
        caller: Caller,
        class: ClassId,
        keys: TokenKeys,
        now_ms: i64,
    ) -> DomainResult<Invited> {
        self.write_people("invite_class", move |tx, _| {
            with_codes(&keys, |code_of| mail::invite_class(tx, caller, class, code_of, now_ms))
        })
        .await
    }

    /// Sets the password of an account with the code of a link, and ends all its sign-ins. `hash`: keyed hash of account
    /// and code; `password`: PHC string. Returns the login, or `None` if the code is not the one of the account or has
    /// expired.
    pub async fn set_password_by_link(
        &self,
        user: UserId,
        hash: [u8; 32],
        password: String,
        now_ms: i64,
    ) -> DomainResult<Option<String>> {
        self.write_people("set_password_by_link", move |tx, ended| {
            // `blake3::Hash` is compared in constant time.
            let hash = blake3::Hash::from_bytes(hash);
            let is_same = |stored: &[u8; 32]| hash == blake3::Hash::from_bytes(*stored);
            if !codes::redeem(tx, CodeKind::Password, user, &is_same, now_ms)? {
                return Ok(None);
            }
            tx.set_password(user, &password)?;
            carrel_people::void_codes(tx, user)?;
            ended.extend(carrel_people::end_all(tx, user, now_ms)?);
            Ok(tx.person(PersonKey::Id(user))?.map(|person| person.login))
        })
        .await
    }

    /// Leases the first message that is due, with its recipient.
    pub async fn lease_mail(&self, now_ms: i64) -> DomainResult<Option<(MailRow, Person)>> {
        Ok(self.write("lease_mail", move |tx| mail::lease(tx, now_ms)).await?)
    }

    /// Stores the result of an attempt.
    pub async fn finish_mail(&self, leased: MailRow, outcome: MailOutcome) -> DomainResult<()> {
        Ok(self.write("finish_mail", move |tx| mail::finish(tx, &leased, outcome)).await?)
    }

    /// Lists the latest messages, the latest first.
    pub async fn latest_mails(&self, limit: u32) -> DomainResult<Vec<ListedMail>> {
        let read = self.read("latest_mails", move |tx| {
            let listed = tx.latest_mails(limit)?.into_iter().map(|mail| {
                let login = tx.account_by_id(mail.user)?.map(|account| account.user.login);
                Ok(ListedMail { login: login.unwrap_or_default(), mail })
            });
            listed.collect::<Result<Vec<_>, crate::store::StoreError>>()
        });
        Ok(read.await?)
    }
}

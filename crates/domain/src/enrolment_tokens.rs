//! Enrolment tokens: an administrator creates a token, and whoever has it can register, also if registration is closed,
//! and is enrolled in its courses. The token of a class also makes the account a student of the class; it gives no access
//! to an account that exists. An account uses a token once; a token is limited by a time and a number of accounts.
//!
//! Not here: enrolment itself (`enrolment`), limits against guessing (`http::auth`).

use carrel_model::{DeviceId, ErrorCode, Slug, UserId};
use carrel_roster::{Class, ClassId, ClassState, MemberRole, Membership};

use crate::{
    DomainError, DomainResult,
    change_log::ChangeLog,
    enrolment::{self, Grant},
};
use crate::{
    events::Event,
    store::{
        Quota, Store, StoreError,
        tx::{AuditRow, ClassKey, EnrolmentTokenRow, PersonKey, Tx},
    },
};

/// Maximum length of a token's name in characters.
const MAX_NAME: usize = 100;

/// Why a token cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefusal {
    #[error("no such enrolment token")]
    Unknown,
    #[error("the enrolment token has expired")]
    Expired,
    #[error("the enrolment token was revoked")]
    Revoked,
    #[error("the enrolment token has been used by as many accounts as it allows")]
    UsedUp,
}

impl TokenRefusal {
    pub fn code(self) -> ErrorCode {
        match self {
            Self::Unknown => ErrorCode::TokenUnknown,
            Self::Expired | Self::Revoked => ErrorCode::TokenExpired,
            Self::UsedUp => ErrorCode::TokenUsedUp,
        }
    }
}

/// A token that someone presents: the hash of its text, and the device on which the person signs in.
#[derive(Debug, Clone, Copy)]
pub struct PresentedEnrolment {
    pub hash: [u8; 32],
    pub device: DeviceId,
}

/// A token to create.
#[derive(Debug, Clone)]
pub struct NewEnrolmentToken {
    pub name: String,
    pub hash: [u8; 32],
    /// None: does not expire.
    pub expires_ms: Option<i64>,
    /// Number of accounts that may use it; none: no limit.
    pub max_uses: Option<u32>,
    pub courses: Vec<Slug>,
    /// Class of which the accounts become students.
    pub class: Option<ClassId>,
}

/// Returns the token if `user` can use it. `user` is `None` for a new account, which has not used it before.
fn usable(
    tx: &dyn Tx,
    hash: [u8; 32],
    user: Option<UserId>,
    now_ms: i64,
) -> DomainResult<Result<EnrolmentTokenRow, TokenRefusal>> {
    let Some(token) = tx.enrolment_token(hash)? else { return Ok(Err(TokenRefusal::Unknown)) };
    if token.revoked_ms != 0 {
        return Ok(Err(TokenRefusal::Revoked));
    }
    if token.expires_ms <= now_ms {
        return Ok(Err(TokenRefusal::Expired));
    }
    let is_used_up = token.uses >= token.max_uses;
    if is_used_up
        && !user.map_or(Ok(false), |user| tx.has_used_enrolment_token(&token.name, user))?
    {
        return Ok(Err(TokenRefusal::UsedUp));
    }
    Ok(Ok(token))
}

/// Returns a class that is not archived.
fn open_class(tx: &dyn Tx, id: ClassId) -> Result<Option<Class>, StoreError> {
    Ok(tx.class(ClassKey::Id(id))?.filter(|class| class.state == ClassState::Active))
}

/// Records that an account uses a token, and enrols it in the token's courses. Returns the courses, also if the account
/// has used it before.
pub(crate) fn redeem(
    tx: &dyn Tx,
    events: &mut Vec<Event>,
    presented: PresentedEnrolment,
    user: UserId,
    registered: bool,
    quota: Quota,
    now_ms: i64,
) -> DomainResult<Vec<Slug>> {
    // Locks accounts before the token, as a registration does.
    tx.person(PersonKey::Id(user))?;
    let token = usable(tx, presented.hash, Some(user), now_ms)?.map_err(DomainError::Token)?;
    let class = match token.class {
        Some(class) => open_class(tx, class)?,
        None => None,
    };
    let of_class = class.iter().flat_map(|class| &class.courses);
    let mut courses: Vec<Slug> = token.courses.iter().chain(of_class).cloned().collect();
    courses.sort();
    courses.dedup();
    if tx.has_used_enrolment_token(&token.name, user)? {
        // A course that the learner left since is not requested again.
        return Ok(courses);
    }
    tx.add_enrolment_token_use(&token.name, user, registered, now_ms)?;
    if let Some(class) = &class {
        let membership = Membership { person: user, class: class.id, role: MemberRole::Student };
        if !tx.is_member(membership)? {
            tx.add_membership(membership)?;
            tx.add_audit(&AuditRow {
                at_ms: now_ms,
                actor: Some(user),
                action: "membership.add".to_owned(),
                subject: Some(user),
                detail: serde_json::json!({ "token": token.name, "class": class.id }).to_string(),
            })?;
        }
    }
    let mut log = ChangeLog::open(tx, user, quota)?.at(now_ms);
    for course in &courses {
        enrolment::request(&mut log, course, presented.device, true, Grant::Token, now_ms)?;
    }
    let pushed = log.close()?;
    events.extend(pushed.event(user.into()));
    tracing::info!(token.name, user.id = %user, token.registered = registered, "enrolment token used");
    Ok(courses)
}

impl Store {
    /// Checks that a new account can use a token.
    ///
    /// # Errors
    /// `Token`.
    pub async fn check_enrolment_token(&self, hash: [u8; 32], now_ms: i64) -> DomainResult<()> {
        self.read("check_enrolment_token", move |tx| usable(tx, hash, None, now_ms))
            .await?
            .map(drop)
            .map_err(DomainError::Token)
    }

    /// Enrols an account in the courses of a token, and returns them. Repeating it changes nothing.
    ///
    /// # Errors
    /// `Token`.
    pub async fn redeem_enrolment_token(
        &self,
        presented: PresentedEnrolment,
        user: UserId,
        now_ms: i64,
    ) -> DomainResult<Vec<Slug>> {
        let quota = self.quota();
        self.write_with_events("redeem_enrolment_token", move |tx, events| {
            redeem(tx, events, presented, user, false, quota, now_ms)
        })
        .await
    }

    /// Creates a token.
    ///
    /// # Errors
    /// `BadToken` for a name that is empty, too long or taken, a time that has passed, no allowed use, or a course that
    /// is not in the catalogue.
    pub async fn add_enrolment_token(
        &self,
        token: NewEnrolmentToken,
        now_ms: i64,
    ) -> DomainResult<()> {
        let bad = |text: String| Err(DomainError::BadToken(text));
        let NewEnrolmentToken { name, hash, expires_ms, max_uses, courses, class } = token;
        if !(1..=MAX_NAME).contains(&name.chars().count()) || name.chars().any(char::is_control) {
            return bad(format!("name {name:?}: must have 1 to {MAX_NAME} characters"));
        }
        if expires_ms.is_some_and(|at| at <= now_ms) {
            return bad("the time at which it expires has passed".to_owned());
        }
        if max_uses == Some(0) {
            return bad("the number of uses must be at least 1".to_owned());
        }
        let row = EnrolmentTokenRow {
            name,
            created_ms: now_ms,
            expires_ms: expires_ms.unwrap_or(i64::MAX),
            max_uses: max_uses.map_or(i64::MAX, i64::from),
            uses: 0,
            revoked_ms: 0,
            courses,
            class,
        };
        self.write("add_enrolment_token", move |tx| {
            for course in &row.courses {
                if !tx.has_course(course)? {
                    return bad(format!("course {course}: is not in the catalogue"));
                }
            }
            if let Some(class) = row.class
                && open_class(tx, class)?.is_none()
            {
                return bad(format!("class {class}: does not exist or is archived"));
            }
            if !tx.insert_enrolment_token(&row, hash)? {
                return bad(format!("name {:?}: there is a token with this name", row.name));
            }
            tracing::info!(token.name = row.name, "enrolment token created");
            Ok(())
        })
        .await
    }

    /// Lists all tokens by name.
    pub async fn enrolment_tokens(&self) -> DomainResult<Vec<EnrolmentTokenRow>> {
        Ok(self.read("enrolment_tokens", |tx| tx.enrolment_tokens()).await?)
    }

    /// Revokes a token: nobody can use it from now on. Accounts that used it stay.
    ///
    /// # Errors
    /// `NoToken`.
    pub async fn revoke_enrolment_token(&self, name: &str, now_ms: i64) -> DomainResult<()> {
        let name = name.to_owned();
        self.write("revoke_enrolment_token", move |tx| {
            if !tx.revoke_enrolment_token(&name, now_ms)? {
                return Err(DomainError::NoToken(name));
            }
            tracing::info!(token.name = name, "enrolment token revoked");
            Ok(())
        })
        .await
    }
}

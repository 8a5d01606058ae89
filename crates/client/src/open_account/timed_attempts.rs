//! Attempts with a time limit: the time that is left, and the submission when it is over.
//!
//! The start of an attempt is a row, and the limit is part of the quiz whose hash is in that row. So the deadline is
//! known after a restart. Not here: which attempts count (`carrel_model::content`).

use std::{sync::Arc, time::Duration};

use carrel_content::Content;
use carrel_learning::Learning;
use carrel_model::{content::Quiz, lattice::Attempt};
use carrel_sqlite::{Change, Changes};
use carrel_system::Clock;
use tokio::sync::broadcast::error::RecvError;

use crate::{OpenAccount, Result};

impl OpenAccount {
    /// Returns the time (UTC, ms) at which an attempt is over. `None` without a limit, or if this version of the quiz
    /// is not on this device.
    pub async fn attempt_deadline_ms(&self, attempt: &Attempt) -> Option<i64> {
        deadline_ms(&self.content, attempt).await
    }

    /// Submits each open attempt whose time is over, with the answers so far.
    pub async fn submit_expired_attempts(&self) -> Result<()> {
        submit_expired(&self.learning, &self.content).await.map(drop)
    }
}

async fn deadline_ms(content: &Content, attempt: &Attempt) -> Option<i64> {
    let quiz = content.library.without_waiting().body::<Quiz>(attempt.quiz_hash).await.ok()?;
    quiz.deadline_ms(attempt.started_ms)
}

/// Submits the attempts whose time is over. Returns the time until the next one is over.
async fn submit_expired(learning: &Learning, content: &Content) -> Result<Option<Duration>> {
    let open = learning.open_attempts().await?;
    if open.is_empty() {
        return Ok(None);
    }
    let now_ms = learning.moment().await?.at_ms;
    let mut next: Option<i64> = None;
    for attempt in open {
        let Some(deadline) = deadline_ms(content, &attempt).await else { continue };
        if deadline <= now_ms {
            learning.submit_attempt_until(attempt.id, Some(deadline)).await?;
        } else {
            let left = deadline - now_ms;
            next = Some(next.map_or(left, |next| next.min(left)));
        }
    }
    Ok(next.map(|ms| Duration::from_millis(ms.unsigned_abs().saturating_add(1))))
}

/// Submits attempts when their time is over, until the account is closed.
pub(super) async fn watch(
    learning: Arc<Learning>,
    content: Arc<Content>,
    changes: Changes,
    clock: Arc<dyn Clock>,
) {
    let mut changes = changes.subscribe();
    loop {
        let next = submit_expired(&learning, &content).await.unwrap_or_else(|e| {
            tracing::warn!(error = %e, "attempts whose time is over could not be submitted");
            None
        });
        let over = async {
            match next {
                Some(left) => clock.sleep(left).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => break,
                received = changes.recv() => match received {
                    Ok(set) if set.iter().any(|c| matches!(c, Change::Progress(_))) => break,
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => break,
                    Err(RecvError::Closed) => return,
                },
            }
        }
    }
}

//! Sends the messages that wait.
//!
//! Not here: SMTP and texts (`carrel-mail`), who gets a message and when (`carrel_people::mail`).

use carrel_mail::{Letter, OutgoingMail};
use carrel_people::mail::{INVITATION_MS, MailOutcome, RESET_MS};
use carrel_roster::{Person, email_address};

use crate::{
    config::Settings,
    data_dir::DataDir,
    error::Error,
    store::tx::{MailKind, MailRow},
};

/// Sends the messages that are due. Returns a summary.
pub async fn send_due(data: &DataDir) -> Result<String, Error> {
    let Some(mailer) = data.mailer.clone() else { return Ok("no mail server".to_owned()) };
    let (mut sent, mut failed, mut open) = (0, 0, None);
    while let Some((row, person)) = data.store.lease_mail(data.config.clock.now_ms()).await? {
        let mut session = match open.take() {
            Some(session) => session,
            None => match mailer.connect().await {
                Ok(session) => session,
                Err(failure) => {
                    tracing::warn!(mail.error = failure.text, "the mail server cannot be used");
                    data.store.finish_mail(row, MailOutcome::Failed(failure.text.clone())).await?;
                    // The others wait until the next run. The job has not failed: it would be repeated too late.
                    return Ok(format!("{sent} messages sent; {}", failure.text));
                }
            },
        };
        let (id, kind) = (row.id, row.kind.as_str());
        let outcome = match session.send(&outgoing(data, &row, person)).await {
            Ok(()) => {
                sent += 1;
                open = Some(session);
                MailOutcome::Sent
            }
            Err(failure) => {
                failed += 1;
                tracing::warn!(mail.id = %id, mail.kind = kind, mail.error = failure.text, "message not sent");
                match failure.is_permanent {
                    true => MailOutcome::Refused(failure.text),
                    false => MailOutcome::Failed(failure.text),
                }
            }
        };
        data.store.finish_mail(row, outcome).await?;
    }
    if let Some(session) = open {
        session.close().await;
    }
    Ok(format!("{sent} messages sent, {failed} not sent"))
}

/// Sends a test message.
///
/// # Errors
/// `Refused` with the reason.
pub async fn send_test(settings: &Settings, address: &str, now_ms: i64) -> Result<(), Error> {
    let refused = |text: String| Error::Refused(text);
    let mailer = settings.mailer()?.ok_or_else(|| {
        refused("the configuration has no mail server; hint: add the table [mail]".to_owned())
    })?;
    let address = email_address(address)
        .ok_or_else(|| refused(format!("{address:?} is not an e-mail address")))?;
    let text = Letter::Test.text("en", &settings.name, "", "");
    let mail = OutgoingMail {
        id: carrel_store::new_id(),
        address,
        name: String::new(),
        lang: text.lang,
        subject: text.subject,
        body: text.body,
        created_ms: now_ms,
    };
    let mut session = mailer.connect().await.map_err(|failure| refused(failure.text))?;
    session.send(&mail).await.map_err(|failure| refused(failure.text))?;
    session.close().await;
    Ok(())
}

/// Returns the message of a row, which is always the same.
fn outgoing(data: &DataDir, row: &MailRow, person: Person) -> OutgoingMail {
    let settings = &data.config.settings;
    let address = settings.address.trim_end_matches('/');
    let code = data.token_keys().mail_code(row.id);
    let link = &format!("{address}/password?account={}&code={code}", row.user);
    let letter = match row.kind {
        MailKind::Reset => Letter::Reset { link, minutes: RESET_MS / 60_000 },
        MailKind::Invitation => {
            Letter::Invitation { link, days: INVITATION_MS / (24 * 3_600_000), address }
        }
    };
    let text = letter.text(&row.lang, &settings.name, &person.name, &person.login);
    OutgoingMail {
        id: row.id,
        address: row.address.clone(),
        name: person.name,
        lang: text.lang,
        subject: text.subject,
        body: text.body,
        created_ms: row.created_ms,
    }
}

//! Mail of the server: settings, the texts of messages in English, French and Arabic, and their delivery by SMTP.
//!
//! Not here: which messages are sent, and when they are sent again (`carrel-domain`).

mod mailer;
mod settings;
mod texts;

pub use mailer::{Failure, Mailer, OutgoingMail, Session};
pub use settings::{MailError, MailSettings, TlsMode};
pub use texts::{Letter, LetterText, known_language};

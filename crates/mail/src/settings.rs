//! Settings of the mail server.

use std::path::PathBuf;

use serde::Deserialize;

/// How the connection to the mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsMode {
    /// Not encrypted, for a mail server on the same computer or in the same network.
    None,
    /// Encrypted after the command STARTTLS. A server without this command gets no message.
    #[default]
    StartTls,
    /// Encrypted from the beginning.
    Implicit,
}

impl TlsMode {
    pub(crate) fn default_port(self) -> u16 {
        match self {
            Self::None => 25,
            Self::StartTls => 587,
            Self::Implicit => 465,
        }
    }
}

/// The table `[mail]` of the configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailSettings {
    /// Name or address of the mail server.
    pub host: String,
    /// By default 587, with `implicit` 465, with `none` 25.
    #[serde(default)]
    pub port: Option<u16>,
    #[serde(default)]
    pub tls: TlsMode,
    /// Name with which the server signs in; empty: it does not sign in.
    #[serde(default)]
    pub user: String,
    /// File whose first line is the password of `user`.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Sender of the messages, such as `Rivers School <carrel@rivers.example>`.
    pub sender: String,
    /// File with the certificates of trusted authorities (PEM); none: those of the system.
    #[serde(default)]
    pub ca: Option<PathBuf>,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    #[error("mail.host is empty; hint: enter the name of the mail server")]
    NoHost,
    #[error(
        "mail.sender {sender:?}: {problem}; hint: write NAME <ADDRESS>, such as Rivers School <mail@rivers.example>"
    )]
    Sender { sender: String, problem: String },
    #[error("mail.user and mail.password_file must be set together")]
    UserWithoutPassword,
    #[error(
        "mail.user with mail.tls = \"none\" sends the password unencrypted; hint: set mail.tls to starttls or implicit"
    )]
    PasswordInClear,
    #[error("mail: read {path:?}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("mail.password_file {path:?}: the first line is empty")]
    NoPassword { path: PathBuf },
    #[error("mail.ca {path:?}: {problem}")]
    Authorities { path: PathBuf, problem: String },
}

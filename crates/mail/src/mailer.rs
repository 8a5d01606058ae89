//! Delivery of messages by SMTP.

use std::{
    fs,
    future::Future,
    net::IpAddr,
    path::Path,
    time::{Duration, SystemTime},
};

use lettre::{
    Address, Message,
    message::{
        Mailbox,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::{
        Error as SmtpError,
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters},
        extension::ClientId,
    },
};
use uuid::Uuid;

use crate::settings::{MailError, MailSettings, TlsMode};

/// Time limit for opening a connection with its sign-in, and for each message.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A message to send. Equal values are equal messages, so that a message that is sent again can be recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingMail {
    /// The `Message-ID` is made of it.
    pub id: Uuid,
    pub address: String,
    /// Name of the recipient; may be empty.
    pub name: String,
    pub lang: &'static str,
    pub subject: String,
    pub body: String,
    pub created_ms: i64,
}

/// Why a message was not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The mail server will refuse the message again.
    pub is_permanent: bool,
    pub text: String,
}

impl Failure {
    fn temporary(text: impl Into<String>) -> Self {
        Self { is_permanent: false, text: one_line(&text.into()) }
    }
    fn permanent(text: impl Into<String>) -> Self {
        Self { is_permanent: true, text: one_line(&text.into()) }
    }
}

/// A mail server with a sender.
pub struct Mailer {
    host: String,
    port: u16,
    tls: TlsMode,
    parameters: Option<TlsParameters>,
    credentials: Option<Credentials>,
    sender: Mailbox,
    hello: ClientId,
    timeout: Duration,
}

/// An open connection to the mail server, for several messages.
pub struct Session<'m> {
    mailer: &'m Mailer,
    connection: AsyncSmtpConnection,
}

impl Mailer {
    /// Checks the settings and reads their files. Opens no connection.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn open(settings: &MailSettings) -> Result<Self, MailError> {
        let host = settings.host.trim().to_owned();
        if host.is_empty() {
            return Err(MailError::NoHost);
        }
        let sender: Mailbox = settings.sender.parse().map_err(|e| MailError::Sender {
            sender: settings.sender.clone(),
            problem: format!("{e}").to_lowercase(),
        })?;
        let credentials = match (settings.user.as_str(), &settings.password_file) {
            ("", None) => None,
            ("", Some(_)) | (_, None) => return Err(MailError::UserWithoutPassword),
            (user, Some(file)) => Some(Credentials::new(user.to_owned(), password(file)?)),
        };
        if credentials.is_some() && settings.tls == TlsMode::None && !is_loopback(&host) {
            return Err(MailError::PasswordInClear);
        }
        let parameters = match settings.tls {
            TlsMode::None => None,
            TlsMode::StartTls | TlsMode::Implicit => {
                Some(parameters(&host, settings.ca.as_deref())?)
            }
        };
        Ok(Self {
            port: settings.port.unwrap_or_else(|| settings.tls.default_port()),
            tls: settings.tls,
            hello: ClientId::Domain(sender.email.domain().to_owned()),
            timeout: TIMEOUT,
            host,
            parameters,
            credentials,
            sender,
        })
    }

    /// Sets another time limit, for tests.
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Opens a connection and signs in.
    ///
    /// # Errors
    /// Each failure is temporary: it is none of a single message.
    pub async fn connect(&self) -> Result<Session<'_>, Failure> {
        let at = format!("{}:{}", self.host, self.port);
        let opened = self.within(async {
            let implicit = self.parameters.clone().filter(|_| self.tls == TlsMode::Implicit);
            let server = (self.host.as_str(), self.port);
            let (timeout, hello) = (Some(self.timeout), &self.hello);
            let mut connection =
                AsyncSmtpConnection::connect_tokio1(server, timeout, hello, implicit, None).await?;
            if self.tls == TlsMode::StartTls
                && let Some(parameters) = self.parameters.clone()
            {
                connection.starttls(parameters, hello).await?;
            }
            if let Some(credentials) = &self.credentials {
                let mechanisms = [Mechanism::Plain, Mechanism::Login];
                connection.auth(&mechanisms, credentials).await?;
            }
            Ok(connection)
        });
        match opened.await {
            Some(Ok(connection)) => Ok(Session { mailer: self, connection }),
            Some(Err(e)) => Err(Failure::temporary(format!("{at}: {}", causes(&e)))),
            None => Err(Failure::temporary(format!("{at}: the mail server does not reply"))),
        }
    }

    /// Returns the result, or `None` after the time limit.
    async fn within<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(self.timeout, work).await.ok()
    }

    fn message(&self, mail: &OutgoingMail) -> Result<Message, String> {
        let address: Address = mail.address.parse().map_err(|e| format!("{e}"))?;
        let name = Some(one_line(&mail.name)).filter(|name| !name.is_empty());
        let header = |name: &'static str, value: &str| {
            HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
        };
        let date = SystemTime::UNIX_EPOCH + Duration::from_millis(mail.created_ms.unsigned_abs());
        Message::builder()
            .message_id(Some(format!("<{}@{}>", mail.id.simple(), self.sender.email.domain())))
            .date(date)
            .from(self.sender.clone())
            .to(Mailbox::new(name, address))
            .subject(one_line(&mail.subject))
            .header(ContentType::TEXT_PLAIN)
            .raw_header(header("Content-Language", mail.lang))
            // Programs that answer mail, such as those of absent people, do not answer it.
            .raw_header(header("Auto-Submitted", "auto-generated"))
            .body(mail.body.clone())
            .map_err(|e| format!("{e}"))
    }
}

impl Session<'_> {
    /// Sends a message. After a failure the connection is closed, so another one must be opened.
    ///
    /// # Errors
    /// Permanent if the mail server refuses this message or its recipient with a code 5xx.
    pub async fn send(&mut self, mail: &OutgoingMail) -> Result<(), Failure> {
        let message = self.mailer.message(mail).map_err(Failure::permanent)?;
        let (envelope, text) = (message.envelope().clone(), message.formatted());
        match self.mailer.within(self.connection.send(&envelope, &text)).await {
            Some(Ok(_)) => Ok(()),
            Some(Err(e)) if e.is_permanent() => Err(Failure::permanent(causes(&e))),
            Some(Err(e)) => Err(Failure::temporary(causes(&e))),
            None => Err(Failure::temporary("the mail server does not reply")),
        }
    }

    /// Closes the connection. Messages that were sent stay sent if this fails.
    pub async fn close(mut self) {
        self.mailer.within(self.connection.abort()).await;
    }
}

fn password(path: &Path) -> Result<String, MailError> {
    let text = fs::read_to_string(path)
        .map_err(|source| MailError::Read { path: path.to_owned(), source })?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => Err(MailError::NoPassword { path: path.to_owned() }),
    }
}

fn parameters(host: &str, ca: Option<&Path>) -> Result<TlsParameters, MailError> {
    let bad = |e: SmtpError| {
        let (path, problem) = (ca.map(Path::to_owned).unwrap_or_default(), causes(&e));
        MailError::Authorities { path, problem }
    };
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(ca) = ca {
        let pem = fs::read(ca).map_err(|source| MailError::Read { path: ca.to_owned(), source })?;
        if !pem.windows(27).any(|bytes| bytes == b"-----BEGIN CERTIFICATE-----") {
            let problem = "the file contains no certificate".to_owned();
            return Err(MailError::Authorities { path: ca.to_owned(), problem });
        }
        let certificate = Certificate::from_pem(&pem).map_err(bad)?;
        builder = builder.certificate_store(CertificateStore::None);
        builder = builder.add_root_certificate(certificate);
    }
    builder.build().map_err(bad)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Returns the text without line breaks and other control characters, which could begin another header.
fn one_line(text: &str) -> String {
    let is_break = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let words: Vec<&str> = text.split(is_break).map(str::trim).filter(|w| !w.is_empty()).collect();
    words.join(" ")
}

/// Returns the message of an error with those of its causes.
fn causes(error: &SmtpError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

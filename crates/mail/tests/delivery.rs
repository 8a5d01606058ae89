//! Delivery to a small SMTP server: accepted, refused, stalled, dropped and encrypted connections, and the headers of
//! messages.

use std::{path::PathBuf, sync::Arc, time::Duration};

use carrel_mail::{Failure, Letter, MailSettings, Mailer, OutgoingMail, TlsMode, known_language};
use rustls::pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;
use uuid::Uuid;

mod support;
use support::{Behaviour, SmtpServer};

fn settings(server: &SmtpServer, tls: TlsMode) -> MailSettings {
    MailSettings {
        host: server.address.ip().to_string(),
        port: Some(server.address.port()),
        tls,
        user: String::new(),
        password_file: None,
        sender: "Rivers School <carrel@rivers.example>".to_owned(),
        ca: None,
    }
}

fn mail(name: &str, subject: &str, body: &str) -> OutgoingMail {
    OutgoingMail {
        id: Uuid::from_u128(7),
        address: "parent@home.example".to_owned(),
        name: name.to_owned(),
        lang: "en",
        subject: subject.to_owned(),
        body: body.to_owned(),
        created_ms: 1_790_000_000_000,
    }
}

async fn send(settings: &MailSettings, mail: &OutgoingMail) -> Result<(), Failure> {
    send_with(Mailer::open(settings).unwrap(), mail).await
}

async fn send_with(mailer: Mailer, mail: &OutgoingMail) -> Result<(), Failure> {
    let mut session = mailer.connect().await?;
    let result = session.send(mail).await;
    session.close().await;
    result
}

/// A server with a certificate of its own, and the file with this certificate.
async fn encrypted_server(folder: &tempfile::TempDir) -> (SmtpServer, PathBuf) {
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(certified.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, certified.cert.pem()).unwrap();
    (SmtpServer::start(Some(TlsAcceptor::from(Arc::new(config)))).await, file)
}

#[tokio::test]
async fn a_message_arrives_with_a_fixed_id_and_encoded_headers() {
    let server = SmtpServer::start(None).await;
    let sent =
        mail("نور خان", "Nouveau mot de passe : École", "Zażółć\nhttps://rivers.example/x\n");
    let settings = settings(&server, TlsMode::None);
    send(&settings, &sent).await.unwrap();
    send(&settings, &sent).await.unwrap();
    let messages = server.messages();
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0], messages[1], "equal messages");
    let message = &messages[0];
    assert!(message.is_ascii(), "{message}");
    for expected in [
        "RCPT TO:<parent@home.example>",
        "Message-ID: <00000000000000000000000000000007@rivers.example>",
        "From: \"Rivers School\" <carrel@rivers.example>",
        "Auto-Submitted: auto-generated",
        "Content-Language: en",
        "Content-Type: text/plain; charset=utf-8",
        "=?utf-8?",
        "https://rivers.example/x",
    ] {
        assert!(message.contains(expected), "{expected:?} in {message}");
    }
}

#[tokio::test]
async fn line_breaks_in_names_and_subjects_begin_no_header() {
    let server = SmtpServer::start(None).await;
    for text in [
        "Noor\r\nBcc: all@home.example",
        "Noor\nBcc: all@home.example",
        "Noor\rBcc: all@home.example",
        "Noor\u{85}Bcc: all@home.example",
        "Noor\u{2028}Bcc: all@home.example",
        "\"\r\n.\r\nRCPT TO:<all@home.example>\r\n",
    ] {
        send(&settings(&server, TlsMode::None), &mail(text, text, "Hello\n")).await.unwrap();
        let message = server.messages().pop().unwrap();
        let is_injected = |line: &str| line.starts_with("Bcc:") || line.starts_with("RCPT TO:<all");
        assert!(!message.lines().any(is_injected), "{message}");
        assert_eq!(message.matches("\r\nSubject:").count(), 1, "{message}");
    }
    assert_eq!(server.messages().len(), 6);
}

#[tokio::test]
async fn refusals_with_5xx_are_permanent_and_all_others_temporary() {
    let server = SmtpServer::start(None).await;
    let settings = settings(&server, TlsMode::None);
    let mail = mail("Noor", "Hello", "Hello\n");
    for (behaviour, is_permanent, text) in [
        (Behaviour::Refuse("450 4.2.1 the mailbox is busy"), false, "busy"),
        (Behaviour::Refuse("550 5.1.1 no such mailbox"), true, "no such mailbox"),
        (Behaviour::Stall, false, "does not reply"),
        (Behaviour::DropAfterMessage, false, ""),
    ] {
        server.set(behaviour);
        let mut mailer = Mailer::open(&settings).unwrap();
        if behaviour == Behaviour::Stall {
            mailer = mailer.with_timeout(Duration::from_millis(50));
        }
        let failure = send_with(mailer, &mail).await.unwrap_err();
        assert_eq!(failure.is_permanent, is_permanent, "{behaviour:?} {failure:?}");
        assert!(failure.text.contains(text), "{behaviour:?} {failure:?}");
    }
    server.set(Behaviour::Accept);
    assert_eq!(send(&settings, &mail).await, Ok(()));
    let nobody = OutgoingMail { address: "no address".to_owned(), ..mail };
    assert!(send(&settings, &nobody).await.unwrap_err().is_permanent);
}

#[tokio::test]
async fn a_refused_password_is_temporary_because_staff_can_correct_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "secret words\n").unwrap();
    let server = SmtpServer::start(None).await;
    let settings = MailSettings {
        user: "carrel".to_owned(),
        password_file: Some(file),
        ..settings(&server, TlsMode::None)
    };
    let mail = mail("Noor", "Hello", "Hello\n");
    send(&settings, &mail).await.unwrap();
    server.set(Behaviour::RefusePassword);
    let failure = send(&settings, &mail).await.unwrap_err();
    assert!(!failure.is_permanent && failure.text.contains("535"), "{failure:?}");
    assert!(!failure.text.contains("secret"), "{failure:?}");
}

#[tokio::test]
async fn messages_are_sent_only_over_the_encryption_that_is_set() {
    let folder = tempfile::tempdir().unwrap();
    let (server, ca) = encrypted_server(&folder).await;
    let mail = mail("Noor", "Hello", "Hello\n");
    let trusted = MailSettings { ca: Some(ca), ..settings(&server, TlsMode::StartTls) };
    send(&trusted, &mail).await.unwrap();
    assert_eq!(server.messages().len(), 1);
    // The server demands STARTTLS; its certificate is not trusted; another server does not offer STARTTLS.
    let plain = settings(&server, TlsMode::None);
    assert!(send(&plain, &mail).await.unwrap_err().text.contains("STARTTLS first"));
    let untrusted = settings(&server, TlsMode::StartTls);
    assert!(!send(&untrusted, &mail).await.unwrap_err().is_permanent);
    let unencrypted = SmtpServer::start(None).await;
    let refused = MailSettings { port: Some(unencrypted.address.port()), ..trusted.clone() };
    assert!(!send(&refused, &mail).await.unwrap_err().is_permanent);
    assert_eq!((server.messages().len(), unencrypted.messages().len()), (1, 0));
}

#[test]
fn settings_that_cannot_be_used_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("empty"), "\nsecret\n").unwrap();
    std::fs::write(path("password"), "secret\n").unwrap();
    let base = "host = \"mail.example\"\nsender = \"a@b.example\"\n";
    let with = |lines: String| format!("{base}{lines}");
    for (text, expected) in [
        ("host = \" \"\nsender = \"a@b.example\"".to_owned(), "mail.host is empty"),
        ("host = \"mail.example\"\nsender = \"Rivers\"".to_owned(), "mail.sender \"Rivers\""),
        (with("user = \"u\"".to_owned()), "must be set together"),
        (with(format!("password_file = {:?}", path("password"))), "must be set together"),
        (with(format!("user = \"u\"\npassword_file = {:?}", path("none"))), "read"),
        (with(format!("user = \"u\"\npassword_file = {:?}", path("empty"))), "first line is empty"),
        (
            with(format!("tls = \"none\"\nuser = \"u\"\npassword_file = {:?}", path("password"))),
            "unencrypted",
        ),
        (with(format!("ca = {:?}", path("none"))), "read"),
        (with(format!("ca = {:?}", path("password"))), "mail.ca"),
    ] {
        let settings: MailSettings = toml::from_str(&text).unwrap();
        let error = Mailer::open(&settings).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.contains(expected), "{text}: {error}");
    }
    assert!(Mailer::open(&toml::from_str(base).unwrap()).is_ok());
    assert!(toml::from_str::<MailSettings>(&with("passwort = \"x\"".to_owned())).is_err());
    assert!(toml::from_str::<MailSettings>(&with("tls = \"ssl\"".to_owned())).is_err());
}

#[test]
fn texts_are_in_the_language_of_the_person() {
    for (tag, lang) in [("fr", "fr"), ("fr-CA", "fr"), ("AR", "ar"), ("sw", "en"), ("", "en")] {
        assert_eq!(known_language(tag), lang, "{tag}");
    }
    let link = "https://rivers.example/password?code=X";
    let reset = Letter::Reset { link, minutes: 30 };
    let address = "https://rivers.example";
    let invitation = Letter::Invitation { link, days: 7, address };
    for lang in ["en", "fr", "ar"] {
        for letter in [reset, invitation] {
            let text = letter.text(lang, "Rivers", "Noor", "noor");
            assert_eq!(text.lang, lang);
            assert!(text.body.lines().any(|line| line == link), "{}", text.body);
            assert!(text.body.contains("noor") && text.subject.contains("Rivers"));
        }
    }
}

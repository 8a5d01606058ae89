//! Commands for accounts: a new password, disabling, the list.

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use axum::http::StatusCode;
use carrel_model::{ErrorCode, wire::TokenReply};
use carrel_server::{DataDir, password::hash_blocking, restore};
use serde_json::json;

use super::support::{NOW, PASSWORD, TestServer, config, device, fixture};

const OTHER_PASSWORD: &str = "another long password";

impl TestServer {
    async fn reset(&self, login: &str, password: &str) -> usize {
        let hash = hash_blocking(password).unwrap();
        let now = carrel_server::Clock::now_ms(&*self.clock);
        self.data_dir.store.reset_password(login, hash, now).await.unwrap().1
    }
    pub async fn sign_in_status(&self, login: &str, password: &str) -> StatusCode {
        let body = json!({"login": login, "password": password, "deviceId": device(5)});
        self.post("/api/auth/login", "", &body).await.status
    }
}

#[tokio::test]
async fn a_password_reset_ends_all_sign_ins_of_this_account_only() {
    let server = TestServer::new();
    let (phone, other) = (server.learner("José").await, server.learner("amin").await);
    let tablet = server.sign_in("josé", 2).await;
    // The login is typed in another form.
    assert_eq!(server.reset("JOSE\u{301}", OTHER_PASSWORD).await, 2);
    for token in [&phone, &tablet] {
        assert!(!server.accepts(&token.access_token).await);
        assert_eq!(server.refresh(&token.refresh_token).await.status, StatusCode::UNAUTHORIZED);
        // The certificate contains the old password.
        let body = json!({
            "login": "José", "password": PASSWORD, "deviceId": device(2),
            "accountCertificate": token.account_certificate,
        });
        let reply = server.post("/api/auth/login", "", &body).await;
        assert_eq!(reply.problem().code, ErrorCode::BadCredentials);
        assert_eq!(server.refresh_with_certificate(token).await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(server.sign_in_status("josé", OTHER_PASSWORD).await, StatusCode::OK);
    assert!(server.accepts(&other.access_token).await);
    let _: TokenReply = server.refresh(&other.refresh_token).await.ok();
    let missing = server.data_dir.store.reset_password("nobody", String::new(), NOW).await;
    assert_eq!(missing.unwrap_err().code(), ErrorCode::NotFound);
}

#[tokio::test]
async fn a_password_reset_also_ends_sign_ins_that_a_restored_database_lacks() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    let to = server.back_up("backup");
    server.clock.advance(60_000);
    let tablet = server.sign_in("noor", 2).await;
    let server = server.restored(&to, restore::Options::default());
    server.clock.advance(60_000);
    assert_eq!(server.reset("noor", OTHER_PASSWORD).await, 1);
    for token in [&noor, &tablet] {
        let refused = server.refresh_with_certificate(token).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    }
    let body = json!({"login": "noor", "password": OTHER_PASSWORD, "deviceId": device(2)});
    let again: TokenReply = server.post("/api/auth/login", "", &body).await.ok();
    let _: TokenReply = server.refresh(&again.refresh_token).await.ok();
}

fn run(data: &Path, args: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_carrel-server"))
        .args(["user"])
        .args(args)
        .arg("--data")
        .arg(data)
        .envs(fixture().variables(data))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[tokio::test]
async fn passwords_are_reset_by_a_command_while_the_server_runs() {
    let server = TestServer::new();
    let noor = server.learner("noor").await;
    let folder = server.folder();
    let text = |out: &[u8]| String::from_utf8_lossy(out).into_owned();

    let generated = run(&folder, &["reset-password", "noor"], "");
    let lines = text(&generated.stdout);
    assert!(generated.status.success(), "{}", text(&generated.stderr));
    assert!(lines.contains("noor and ended 1 sign-ins"), "{lines}");
    let secret = lines.lines().find_map(|l| l.strip_prefix("password: ")).unwrap().to_owned();
    assert!(!server.accepts(&noor.access_token).await);
    assert_eq!(server.sign_in_status("noor", PASSWORD).await, StatusCode::UNAUTHORIZED);
    assert_eq!(server.sign_in_status("noor", &secret).await, StatusCode::OK);

    let typed = run(
        &folder,
        &["reset-password", "NOOR", "--password-stdin"],
        "\u{feff}another long password\r\nrest",
    );
    assert!(typed.status.success() && !text(&typed.stdout).contains("password:"));
    assert_eq!(server.sign_in_status("noor", OTHER_PASSWORD).await, StatusCode::OK);

    for (args, input, error) in [
        (&["reset-password", "nobody"][..], "", "no account has the login \"nobody\""),
        (&["reset-password", "noor", "--password-stdin"], "short", "8 to 200 characters"),
        (&["reset-password", "noor", "--password-stdin"], "", "password: is empty"),
        (&["disable", "nobody"], "", "no account has the login"),
    ] {
        let refused = run(&folder, args, input);
        let message = text(&refused.stderr);
        assert!(!refused.status.success() && message.contains(error), "{args:?}: {message}");
    }
    // A refused command changes nothing.
    assert_eq!(server.sign_in_status("noor", OTHER_PASSWORD).await, StatusCode::OK);

    assert!(run(&folder, &["disable", "noor"], "").status.success());
    for password in [OTHER_PASSWORD, "", " "] {
        assert_eq!(server.sign_in_status("noor", password).await, StatusCode::UNAUTHORIZED);
    }
    let list = text(&run(&folder, &["list"], "").stdout);
    let fields: Vec<&str> = list.split_whitespace().collect();
    assert_eq!(fields, ["noor", "student", "noor", "(disabled)"]);
    assert_eq!(server.reset("noor", PASSWORD).await, 0);
    assert_eq!(server.sign_in_status("noor", PASSWORD).await, StatusCode::OK);
}

#[tokio::test]
async fn commands_for_accounts_need_the_folder_of_a_server() {
    let server = TestServer::new();
    let empty = server.dir.path().join("empty");
    for args in [&["list"][..], &["disable", "noor"], &["reset-password", "noor"]] {
        let refused = run(&empty, args, "");
        assert!(!refused.status.success(), "{args:?}");
        assert!(!empty.exists(), "nothing is created");
    }
    // Accounts are listed by login.
    for login in ["zoe", "amin", "Noor"] {
        server.learner(login).await;
    }
    let data = DataDir::open_existing(config(server.folder())).unwrap();
    let accounts = data.store.accounts().await.unwrap();
    let logins: Vec<&str> = accounts.iter().map(|a| a.user.login.as_str()).collect();
    assert_eq!(logins, ["amin", "Noor", "zoe"]);
}

//! The tokens of accounts: in the keychain of the system, or in a file.

use super::*;

/// The outcome of one keychain call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Works,
    Fails,
    /// The change takes effect, but the call returns an error.
    DoneButFails,
    /// The call fails, and its change takes effect later (a call that hung).
    DoneLate,
}

/// A keychain whose calls have scripted outcomes. Its contents are kept when the app restarts.
#[derive(Default)]
struct ScriptedKeychain {
    secrets: Mutex<std::collections::BTreeMap<String, String>>,
    outcomes: Mutex<std::collections::VecDeque<Outcome>>,
    late: Mutex<Vec<(String, Option<String>)>>,
    failures: AtomicUsize,
}
impl ScriptedKeychain {
    fn call(&self, name: &str, change: Option<Option<&str>>) -> carrel_net::Result<()> {
        let mut outcome = self.outcomes.lock().unwrap().pop_front().unwrap_or(Outcome::Works);
        if !self.late.lock().unwrap().is_empty() {
            // While a call hangs, all other calls fail.
            outcome = Outcome::Fails;
        }
        if let (Some(to), Outcome::Works | Outcome::DoneButFails) = (change, outcome) {
            self.change(name, to);
        }
        if let (Some(to), Outcome::DoneLate) = (change, outcome) {
            self.late.lock().unwrap().push((name.to_owned(), to.map(str::to_owned)));
        }
        if outcome == Outcome::Works {
            return Ok(());
        }
        self.failures.fetch_add(1, Ordering::Relaxed);
        Err(carrel_net::Error::Secrets(format!("{outcome:?}")))
    }
    fn change(&self, name: &str, to: Option<&str>) {
        let mut secrets = self.secrets.lock().unwrap();
        match to {
            Some(secret) => drop(secrets.insert(name.to_owned(), secret.to_owned())),
            None => drop(secrets.remove(name)),
        }
    }
    fn apply_late_changes(&self) {
        for (name, to) in self.late.lock().unwrap().drain(..) {
            self.change(&name, to.as_deref());
        }
    }
}
impl SecretStore for ScriptedKeychain {
    fn get(&self, name: &str) -> carrel_net::Result<Option<String>> {
        self.call(name, None)?;
        Ok(self.secrets.lock().unwrap().get(name).cloned())
    }
    fn set(&self, name: &str, secret: &str) -> carrel_net::Result<()> {
        self.call(name, Some(Some(secret)))
    }
    fn delete(&self, name: &str) -> carrel_net::Result<()> {
        self.call(name, Some(None))
    }
}

#[test]
fn old_token_is_never_returned_when_a_keychain_call_fails() {
    let count = if std::env::var_os("CARREL_LONG").is_some() { 10_000 } else { 1_500 };
    let random = |seed: &mut u64, n: u64| {
        *seed =
            seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*seed >> 33) % n
    };
    let mut seed = 3_u64;
    for round in 0..count {
        let dir = scratch();
        let keychain = Arc::new(ScriptedKeychain::default());
        let open =
            || Secrets::with(Some(keychain.clone()), dir.path(), Arc::new(SeededIds::new(1)));
        let mut secrets = open();
        // A token written by an earlier release, without a number.
        let mut expected = None;
        if random(&mut seed, 4) == 0 {
            keychain.secrets.lock().unwrap().insert("a".into(), "token-0".into());
            expected = Some("token-0".to_owned());
        }
        let mut steps = Vec::new();
        for n in 1..=8 {
            let scripts = [
                vec![],
                vec![Outcome::Fails; 9],
                vec![Outcome::DoneButFails; 9],
                vec![Outcome::Works, Outcome::Fails],
                vec![Outcome::Fails],
                vec![Outcome::Works, Outcome::DoneLate],
                vec![Outcome::DoneLate; 9],
                vec![Outcome::Fails, Outcome::DoneButFails, Outcome::Works],
            ];
            let script = scripts[random(&mut seed, scripts.len() as u64) as usize].clone();
            *keychain.outcomes.lock().unwrap() = script.iter().copied().collect();
            let failures = keychain.failures.load(Ordering::Relaxed);
            let step = random(&mut seed, 6);
            steps.push(format!("{step} {script:?}"));
            match step {
                0..=2 => {
                    let token = format!("token-{n}");
                    secrets.set("a", &token).unwrap();
                    expected = Some(token);
                }
                3 => {
                    secrets.delete("a").unwrap();
                    expected = None;
                }
                4 => {
                    keychain.apply_late_changes();
                    secrets = open();
                }
                _ => match secrets.get("a") {
                    Ok(found) => assert_eq!(found, expected, "round {round}: {steps:#?}"),
                    // An unavailable token is not reported as absent.
                    Err(_) => assert!(keychain.failures.load(Ordering::Relaxed) > failures),
                },
            }
            keychain.outcomes.lock().unwrap().clear();
            if random(&mut seed, 2) == 0 {
                keychain.apply_late_changes();
            }
        }
        keychain.apply_late_changes();
        assert_eq!(secrets.get("a").unwrap(), expected, "round {round}, this run: {steps:#?}");
        drop(secrets);
        assert_eq!(open().get("a").unwrap(), expected, "round {round}, the next run: {steps:#?}");
    }
}

#[test]
fn keychain_is_retried_after_a_failed_call() {
    let dir = tempfile::tempdir().unwrap();
    let keychain = Arc::new(ScriptedKeychain::default());
    let open = || Secrets::with(Some(keychain.clone()), dir.path(), Arc::new(SeededIds::new(1)));
    let secrets = open();
    secrets.set("a", "first").unwrap();
    // The second value cannot be stored in the keychain and is stored in the file. The next run uses it, although the
    // keychain contains the first.
    *keychain.outcomes.lock().unwrap() = [Outcome::Works, Outcome::Fails].into();
    secrets.set("a", "second").unwrap();
    assert!(secrets.fallback_in_use(), "the use of the file is reported");
    assert!(keychain.secrets.lock().unwrap()["a"].ends_with("first"));
    let secrets = open();
    assert_eq!(secrets.get("a").unwrap().as_deref(), Some("second"));
    assert!(!secrets.fallback_in_use(), "the keychain works again");
    secrets.set("a", "third").unwrap();
    assert!(keychain.secrets.lock().unwrap()["a"].ends_with("third"));
    let file = FileSecrets::new(dir.path(), Arc::new(SeededIds::new(2)));
    assert_eq!(file.get("a").unwrap(), None);
    // A value that another program replaced or deleted in the keychain is no error.
    keychain.secrets.lock().unwrap().insert("a".into(), String::new());
    assert_eq!(open().get("a").unwrap().as_deref(), Some(""));
    keychain.secrets.lock().unwrap().clear();
    assert_eq!(open().get("a").unwrap(), None);
}

/// A keychain that is locked or hangs at the start, or that starts after the app.
#[tokio::test]
async fn locked_keychain_does_not_end_the_session() {
    let dir = tempfile::tempdir().unwrap();
    let keychain = Arc::new(FakeKeychain::default());
    let tokens = serde_json::to_string(&FakeAuthServer::tokens(0)).unwrap();
    keychain.set("me", &tokens).unwrap();
    let locked = Arc::new(AtomicBool::new(true));
    let (is_locked, inner) = (locked.clone(), keychain.clone());
    let probe = move || match is_locked.load(Ordering::SeqCst) {
        true => ProbeResult::Unavailable(carrel_net::Error::Secrets("locked".into())),
        false => ProbeResult::Works(inner.clone()),
    };
    let ids = Arc::new(SeededIds::new(1));
    let secrets = Arc::new(Secrets::with_probe(Box::new(probe), dir.path(), ids));
    let auth_server = Arc::new(FakeAuthServer::default());
    let server = auth_server.clone();
    let http = Network::new(move |r| server.reply(r));
    let session = Session::new(http, "http://gate", "me", secrets.clone());
    for _ in 0..3 {
        assert!(session.send(Request::get("http://gate/api/x")).await.is_err());
        assert!(!session.is_ended(), "unavailable tokens do not end the session");
        assert!(!*session.tokens_found().borrow());
    }
    assert!(on_other_thread(|| secrets.get("me").is_err() && secrets.fallback_in_use()));
    // Unlocked: the next request finds the tokens.
    locked.store(false, Ordering::SeqCst);
    assert_eq!(session.send(Request::get("http://gate/api/x")).await.unwrap().status, 200);
    assert!(
        !session.is_ended()
            && *session.tokens_found().borrow()
            && !on_other_thread(|| secrets.fallback_in_use())
    );
    // Locked again during the run: a rotated token is stored in the file and used.
    keychain.broken.store(true, Ordering::SeqCst);
    auth_server.generation.store(1, Ordering::SeqCst);
    assert_eq!(session.send(Request::get("http://gate/api/x")).await.unwrap().status, 200);
    keychain.broken.store(false, Ordering::SeqCst);
    let kept = on_other_thread(|| secrets.get("me")).unwrap().unwrap();
    assert!(kept.contains("refresh-1"), "{kept}");
    // A sign-out while it is locked deletes the token, which does not reappear.
    keychain.broken.store(true, Ordering::SeqCst);
    session.drop_tokens().await.unwrap();
    keychain.broken.store(false, Ordering::SeqCst);
    assert_eq!(on_other_thread(|| secrets.get("me")).unwrap(), None);
}

#[test]
fn unreadable_token_file_is_not_renamed() {
    let dir = tempfile::tempdir().unwrap();
    let open = || FileSecrets::new(dir.path(), Arc::new(SeededIds::new(1)));
    open().set("a", "token").unwrap();
    let (file, key) = (dir.path().join("secrets.bin"), dir.path().join("secrets.key"));
    for hidden in [&file, &key] {
        // A folder in place of the file cannot be read as a file, even by root.
        let moved = dir.path().join("aside");
        fs::rename(hidden, &moved).unwrap();
        fs::create_dir(hidden).unwrap();
        assert!(open().get("a").is_err(), "{hidden:?}");
        assert!(open().set("a", "other").is_err(), "{hidden:?}");
        fs::remove_dir(hidden).unwrap();
        fs::rename(&moved, hidden).unwrap();
        assert_eq!(open().get("a").unwrap().as_deref(), Some("token"), "{hidden:?}");
    }
    assert!(!dir.path().join("secrets.damaged").exists());
}

/// A keychain that works until `broken` is set.
#[derive(Default)]
struct FakeKeychain {
    secrets: Mutex<std::collections::BTreeMap<String, String>>,
    broken: AtomicBool,
}
impl FakeKeychain {
    fn check(&self) -> carrel_net::Result<()> {
        if self.broken.load(Ordering::Relaxed) {
            Err(carrel_net::Error::Secrets("locked".into()))
        } else {
            Ok(())
        }
    }
}
impl SecretStore for FakeKeychain {
    fn get(&self, name: &str) -> carrel_net::Result<Option<String>> {
        self.check()?;
        Ok(self.secrets.lock().unwrap().get(name).cloned())
    }
    fn set(&self, name: &str, secret: &str) -> carrel_net::Result<()> {
        self.check()?;
        self.secrets.lock().unwrap().insert(name.into(), secret.into());
        Ok(())
    }
    fn delete(&self, name: &str) -> carrel_net::Result<()> {
        self.check()?;
        self.secrets.lock().unwrap().remove(name);
        Ok(())
    }
}

#[test]
fn tokens_are_stored_in_a_file_when_the_keychain_fails() {
    let dir = tempfile::tempdir().unwrap();
    let keychain = Arc::new(FakeKeychain::default());
    let open = || Secrets::with(Some(keychain.clone()), dir.path(), Arc::new(SeededIds::new(1)));
    let secrets = open();
    secrets.set("a", "token-a").unwrap();
    assert!(!secrets.fallback_in_use());
    assert!(!dir.path().join("secrets.bin").exists(), "no file while the keychain works");
    keychain.broken.store(true, Ordering::Relaxed);
    secrets.set("b", "token-b").unwrap();
    assert!(secrets.fallback_in_use());
    assert_eq!(secrets.get("b").unwrap().as_deref(), Some("token-b"));
    // In the next run the keychain works: both tokens are found, and new values are stored in the keychain.
    keychain.broken.store(false, Ordering::Relaxed);
    let secrets = open();
    assert_eq!(secrets.get("a").unwrap().as_deref(), Some("token-a"));
    assert_eq!(secrets.get("b").unwrap().as_deref(), Some("token-b"));
    secrets.set("b", "token-c").unwrap();
    let file = FileSecrets::new(dir.path(), Arc::new(SeededIds::new(2)));
    assert_eq!(file.get("b").unwrap(), None, "the old token is deleted");
}

#[test]
fn token_file_is_private_encrypted_and_recovers_from_damage() {
    let dir = tempfile::tempdir().unwrap();
    let open = || FileSecrets::new(dir.path(), Arc::new(SeededIds::new(1)));
    open().set("a", "a-very-secret-token").unwrap();
    let path = dir.path().join("secrets.bin");
    let bytes = fs::read(&path).unwrap();
    assert!(!bytes.windows(11).any(|w| w == b"very-secret"), "the token is encrypted");
    #[cfg(unix)]
    for name in ["secrets.bin", "secrets.key"] {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(
            fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777,
            0o600,
            "{name}"
        );
    }
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let damaged_files: Vec<(&str, Vec<u8>)> = vec![
        ("flipped", flipped),
        ("cut", bytes[..20].to_vec()),
        ("empty", vec![]),
        ("other", b"hello".to_vec()),
    ];
    for (name, damage) in damaged_files {
        fs::write(&path, damage).unwrap();
        assert_eq!(open().get("a").unwrap(), None, "{name}: the token is lost");
        assert!(path.with_extension("damaged").exists(), "{name}");
        open().set("a", "a-very-secret-token").unwrap();
        assert_eq!(open().get("a").unwrap().as_deref(), Some("a-very-secret-token"), "{name}");
    }
    fs::remove_file(dir.path().join("secrets.key")).unwrap();
    assert_eq!(open().get("a").unwrap(), None);
    open().set("a", "new").unwrap();
    assert_eq!(open().get("a").unwrap().as_deref(), Some("new"));
}

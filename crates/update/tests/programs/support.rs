//! A machine with an installed program, a publisher, and a loopback server with its files.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use axum::{
    Router,
    body::Body,
    http::Uri,
    response::{IntoResponse, Response},
};
use carrel_release::sign::SigningKey;
use carrel_testkit::FakeClock;
use carrel_update::{
    Channel, Feed, FeedFile, PackageKind, Target,
    install::Step,
    journal::{Install, Journal, Stage},
};
use jiff::Timestamp;
use semver::Version;

/// The files of a server by path.
pub type Site = BTreeMap<String, Vec<u8>>;

/// Returns the bytes of an example of this crate, which is built with the tests.
pub fn built(name: &str) -> Vec<u8> {
    let tests = env::current_exe().unwrap();
    let path = tests.parent().unwrap().parent().unwrap().join("examples").join(name);
    fs::read(&path).unwrap_or_else(|e| {
        panic!("{}: {e}; hint: cargo build -p carrel-update --examples", path.display())
    })
}

/// Serves the files on a free port; returns the address.
pub async fn server(site: &Site) -> String {
    let site = site.clone();
    let answer = async move |uri: Uri| -> Response {
        match site.get(uri.path()) {
            Some(bytes) => Body::from(bytes.clone()).into_response(),
            None => axum::http::StatusCode::NOT_FOUND.into_response(),
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    url
}

pub struct Machine {
    dir: tempfile::TempDir,
    key: SigningKey,
}

impl Machine {
    /// Creates a machine with version 1.0.0.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("app")).unwrap();
        fs::create_dir(dir.path().join("updates")).unwrap();
        let machine = Self { dir, key: SigningKey::generate().unwrap() };
        machine.install(&built("program-1-0"));
        machine
    }
    pub fn program(&self) -> PathBuf {
        self.dir.path().join("app/program")
    }
    pub fn updates(&self) -> PathBuf {
        self.dir.path().join("updates")
    }
    pub fn install(&self, program: &[u8]) {
        use std::os::unix::fs::PermissionsExt;
        let _ = fs::remove_file(self.program());
        fs::write(self.program(), program).unwrap();
        fs::set_permissions(self.program(), fs::Permissions::from_mode(0o755)).unwrap();
    }
    /// Deletes journal and packages.
    pub fn forget(&self) {
        fs::remove_dir_all(self.updates()).unwrap();
        fs::create_dir(self.updates()).unwrap();
    }
    /// Returns the files in the folder of the program.
    pub fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path().join("app")).unwrap();
        let mut names: Vec<String> =
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
    /// Writes a journal in which this version is in its place.
    pub fn record_trial(&self, version: &str) {
        let install = Install {
            from: Version::new(1, 0, 0),
            to: version.parse().unwrap(),
            program: self.program(),
            stage: Stage::Trial,
            attempts: 0,
        };
        let journal = Journal { install: Some(install), ..Journal::default() };
        journal.write(&self.updates()).unwrap();
    }

    /// Starts the installed program; returns its output.
    pub fn start(&self) -> String {
        self.run(&["start", &self.path(&self.updates())])
    }
    pub fn update(&self, url: &str) -> String {
        self.run(&self.update_arguments(url).each_ref().map(String::as_str))
    }
    /// Updates, and kills the process after a step.
    pub fn update_until(&self, url: &str, step: Step) -> String {
        let mut arguments = self.update_arguments(url).to_vec();
        arguments.push(format!("{step:?}"));
        self.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }
    fn update_arguments(&self, url: &str) -> [String; 5] {
        let now_ms = FakeClock::NOON.to_string();
        let updates = self.path(&self.updates());
        ["update".into(), updates, self.key.public_key(), url.into(), now_ms]
    }
    fn path(&self, path: &Path) -> String {
        path.to_str().unwrap().to_owned()
    }
    fn run(&self, arguments: &[&str]) -> String {
        let output = Command::new(self.program()).args(arguments).output().unwrap();
        if output.status.code().is_none() {
            return "crashed".into();
        }
        String::from_utf8(output.stdout).unwrap().trim().replace('\n', ", ")
    }

    /// Returns the files of a release.
    pub fn publish(&self, version: &str, program: &[u8]) -> Site {
        self.signed_by(&self.key, version, program)
    }
    pub fn publish_to(&self, version: &str, program: &[u8], rollout: u8) -> Site {
        let mut feed = feed(version, file(&self.key, version, program));
        feed.rollout = rollout;
        site(&self.key, &feed, program)
    }
    pub fn publish_expired(&self, version: &str, program: &[u8]) -> Site {
        let mut feed = feed(version, file(&self.key, version, program));
        feed.expires = day(-1);
        site(&self.key, &feed, program)
    }
    /// Returns the files of a release whose package is signed as another version.
    pub fn publish_with_signature_of(&self, version: &str, other: &str, program: &[u8]) -> Site {
        let signature = file(&self.key, other, program).signature;
        let file = FeedFile { signature, ..file(&self.key, version, program) };
        site(&self.key, &feed(version, file), program)
    }
    pub fn signed_by(&self, key: &SigningKey, version: &str, program: &[u8]) -> Site {
        site(key, &feed(version, file(key, version, program)), program)
    }
}

fn target() -> String {
    Target::of_this_program(PackageKind::Program).to_string()
}
fn day(days: i64) -> Timestamp {
    Timestamp::from_millisecond(FakeClock::NOON + days * 86_400_000).unwrap()
}
fn file(key: &SigningKey, version: &str, program: &[u8]) -> FeedFile {
    let name = format!("program_{version}");
    let url = format!("files/{name}");
    let version = version.parse().unwrap();
    key.sign_file(&version, Channel::Stable, &target(), &name, url, program).unwrap()
}
fn feed(version: &str, file: FeedFile) -> Feed {
    Feed {
        format: 1,
        channel: Channel::Stable,
        version: version.parse().unwrap(),
        published: day(-2),
        expires: day(30),
        notes: String::new(),
        minimum_version: None,
        rollout: 100,
        files: BTreeMap::from([(target(), file)]),
    }
}
fn site(key: &SigningKey, feed: &Feed, program: &[u8]) -> Site {
    let (json, signature) = key.sign_feed(feed).unwrap();
    let mut site = Site::from([
        ("/stable.json".into(), json),
        ("/stable.json.minisig".into(), signature.into_bytes()),
    ]);
    for file in feed.files.values() {
        site.insert(format!("/{}", file.urls[0]), program.to_vec());
    }
    site
}

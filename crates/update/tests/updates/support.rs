//! A publisher with a key of its own, and simulated mirrors that serve its files.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use carrel_net::{Http, Request};
use carrel_release::sign::SigningKey;
use carrel_testkit::{Answer, FakeClock, FakeDisk, Network, clock::NoWait, reply};
use carrel_update::{
    Channel, Feed, Keys, PackageKind, Target, decision::Installation, download::Downloader,
};
use jiff::Timestamp;
use semver::Version;

pub const TARGET: &str = "linux-x86_64-appimage";
pub const BASE: &str = "https://updates.example.org/carrel";

pub fn target() -> Target {
    Target { os: "linux", arch: "x86_64", package: PackageKind::AppImage }
}
pub fn version(text: &str) -> Version {
    text.parse().unwrap()
}
/// Returns a time some days after the start of the fake clock.
pub fn day(days: i64) -> Timestamp {
    Timestamp::from_millisecond(FakeClock::NOON + days * 86_400_000).unwrap()
}
pub fn installation(installed: &str) -> Installation {
    Installation {
        version: version(installed),
        target: target(),
        device_id: "device".into(),
        failed_versions: Vec::new(),
    }
}

pub struct Publisher {
    pub key: SigningKey,
}

impl Publisher {
    pub fn new() -> Self {
        Self { key: SigningKey::generate().unwrap() }
    }
    pub fn keys(&self) -> Keys {
        Keys::parse([self.key.public_key().as_str()]).unwrap()
    }
    /// Returns the feed of a release with one package.
    pub fn feed(&self, release: &str, package: &[u8]) -> Feed {
        self.feed_for(release, Channel::Stable, TARGET, package)
    }
    pub fn feed_for(&self, release: &str, channel: Channel, target: &str, package: &[u8]) -> Feed {
        let version = version(release);
        let name = format!("carrel_{version}.AppImage");
        let url = format!("files/{version}/{name}");
        let file = self.key.sign_file(&version, channel, target, &name, url, package).unwrap();
        Feed {
            format: 1,
            channel,
            version,
            published: day(0),
            expires: day(30),
            notes: "- Faster.".into(),
            minimum_version: None,
            rollout: 100,
            files: BTreeMap::from([(target.to_owned(), file)]),
        }
    }
}

/// The files of all simulated mirrors, by address. Requests for other addresses are answered with 404.
#[derive(Clone, Default)]
pub struct Files(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl Files {
    pub fn put(&self, url: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.0.lock().unwrap().insert(url.into(), bytes.into());
    }
    pub fn publish(&self, base: &str, publisher: &Publisher, feed: &Feed, package: &[u8]) {
        let (json, signature) = publisher.key.sign_feed(feed).unwrap();
        let name = feed.channel.feed_name();
        self.put(format!("{base}/{name}"), json);
        self.put(format!("{base}/{name}.minisig"), signature);
        for file in feed.files.values() {
            self.put(format!("{base}/{}", file.urls[0]), package);
        }
    }
    /// Answers as a static file server does, with ranges.
    pub fn answer(&self, request: &Request) -> Answer {
        let files = self.0.lock().unwrap();
        let Some(bytes) = files.get(&request.url) else { return (404, "").into() };
        let length = bytes.len();
        let Some((from, _)) = reply::requested_range(request) else {
            let length = length.to_string();
            return reply::with_headers(200, [("content-length", &*length)], bytes.clone()).into();
        };
        if from >= length {
            return (416, "").into();
        }
        let range = format!("bytes {from}-{}/{length}", length - 1);
        reply::with_headers(206, [("content-range", &*range)], bytes[from..].to_vec()).into()
    }
    pub fn network(&self) -> Arc<Network> {
        let files = self.clone();
        Network::new(move |request| files.answer(request))
    }
}

pub struct Device {
    pub dir: tempfile::TempDir,
    pub disk: FakeDisk,
}

impl Device {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), disk: FakeDisk::new(1 << 40) }
    }
    pub fn downloader(&self, http: Arc<dyn Http>, keys: Keys) -> Downloader {
        Downloader {
            http,
            clock: Arc::new(NoWait(FakeClock::noon())),
            disk: Arc::new(self.disk.clone()),
            dir: self.dir.path().join("packages"),
            keys,
        }
    }
    /// Returns the names of the files in the folder of packages.
    pub fn files(&self) -> Vec<String> {
        let dir: PathBuf = self.dir.path().join("packages");
        let mut names: Vec<String> = std::fs::read_dir(dir)
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

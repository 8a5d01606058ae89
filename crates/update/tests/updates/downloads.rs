//! Downloads: resume, mirrors, damage, disk space.

use std::{
    fs,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use carrel_net::{Failure, FailureKind};
use carrel_testkit::{Answer, Network, reply};
use carrel_update::{
    Channel, Error, Feed, Problem, Result,
    download::{MIN_FREE_BYTES, Package},
    mirror::Mirrors,
};

use super::support::{BASE, Device, Files, Publisher, TARGET};

const NAME: &str = "carrel_1.2.0.AppImage";
const SECOND: &str = "https://mirror.example.org";

/// Returns a package that spans several writes.
fn package() -> Vec<u8> {
    (0..1_300_000_u32).map(|n| (n % 251) as u8).collect()
}

struct Setup {
    publisher: Publisher,
    feed: Feed,
    files: Files,
    network: Arc<Network>,
    device: Device,
    progress: Arc<Mutex<Vec<u64>>>,
}

impl Setup {
    fn new() -> Self {
        let publisher = Publisher::new();
        let feed = publisher.feed("1.2.0", &package());
        let files = Files::default();
        files.publish(BASE, &publisher, &feed, &package());
        let network = files.network();
        let device = Device::new();
        Self { publisher, feed, files, network, device, progress: Arc::default() }
    }
    async fn download(&self) -> Result<Package> {
        self.download_from(&[BASE]).await
    }
    async fn download_from(&self, mirrors: &[&str]) -> Result<Package> {
        let downloader = self.device.downloader(self.network.clone(), self.publisher.keys());
        let addresses = Mirrors::parse(mirrors)?.addresses(&self.feed.files[TARGET].urls);
        let seen = self.progress.clone();
        let progress = move |bytes| seen.lock().unwrap().push(bytes);
        downloader.download(&self.feed, TARGET, &addresses, &progress).await
    }
    /// Requests for the package, as the start of the range.
    fn ranges(&self) -> Vec<usize> {
        let requests = self.network.take_requests();
        requests.iter().map(|r| reply::requested_range(r).map_or(0, |(from, _)| from)).collect()
    }
    fn is_complete(&self, package_file: &Package) {
        assert_eq!(fs::read(&package_file.path).unwrap(), package());
        assert_eq!(self.device.files(), [NAME]);
    }
}

/// A reply that breaks after `len` bytes of the package.
fn broken_after(len: usize) -> Answer {
    let pieces = reply::pieces(Bytes::from(package()), 100_000, move |at| async move {
        if at < len { Ok(()) } else { Err(Failure::new(FailureKind::Broken, "connection reset")) }
    });
    reply::with_body(200, "application/octet-stream", pieces).into()
}

#[tokio::test]
async fn a_package_is_downloaded_once() {
    let setup = Setup::new();
    setup.network.enqueue([broken_after(usize::MAX)]);
    let found = setup.download().await.unwrap();
    setup.is_complete(&found);
    assert_eq!(setup.ranges(), [0]);
    let progress = setup.progress.lock().unwrap().clone();
    assert!(progress.is_sorted() && progress.len() > 3, "{progress:?}");
    assert_eq!(progress.last(), Some(&1_300_000));
    setup.is_complete(&setup.download().await.unwrap());
    assert_eq!(setup.ranges(), [0; 0]);
}

#[tokio::test]
async fn an_interrupted_download_continues_where_it_stopped() {
    let setup = Setup::new();
    setup.network.enqueue([broken_after(700_000)]);
    setup.is_complete(&setup.download().await.unwrap());
    assert_eq!(setup.ranges(), [0, 700_000]);
}

#[tokio::test]
async fn a_download_continues_after_a_restart_of_the_app() {
    let setup = Setup::new();
    setup.network.enqueue((0..3).map(|_| broken_after(700_000)));
    let error = setup.download().await.unwrap_err();
    assert_eq!(error.problem(), Problem::Offline, "{error}");
    assert_eq!(setup.device.files(), [format!("{NAME}.part")]);
    setup.ranges();
    setup.is_complete(&setup.download().await.unwrap());
    assert_eq!(setup.ranges(), [700_000]);
}

#[tokio::test]
async fn a_server_without_ranges_sends_everything_again() {
    let setup = Setup::new();
    setup.network.enqueue([broken_after(700_000), reply::reply(200, "x/y", package()).into()]);
    setup.is_complete(&setup.download().await.unwrap());
    assert_eq!(setup.ranges(), [0, 700_000]);
}

#[tokio::test]
async fn a_changed_partial_file_is_discarded() {
    let setup = Setup::new();
    fs::create_dir_all(setup.device.dir.path().join("packages")).unwrap();
    let part = setup.device.dir.path().join("packages").join(format!("{NAME}.part"));
    for (content, ranges) in [
        (vec![7; 300], vec![300, 0]),
        // As long as the package, so that nothing has to be requested.
        (vec![7; 1_300_000], vec![0]),
        (vec![7; 1_300_001], vec![0]),
    ] {
        fs::write(&part, content).unwrap();
        let found = setup.download().await.unwrap();
        setup.is_complete(&found);
        assert_eq!(setup.ranges(), ranges);
        fs::remove_file(found.path).unwrap();
    }
}

#[tokio::test]
async fn a_truncated_package_is_refused() {
    let setup = Setup::new();
    let short = package()[..1_000_000].to_vec();
    // With the length of the shorter file, and without a length.
    for headers in [vec![("content-length", "1000000")], vec![]] {
        let body = short.clone();
        setup.network.intercept(move |_| reply::with_headers(200, headers.clone(), body.clone()));
        let error = setup.download().await.unwrap_err();
        assert_eq!(error.problem(), Problem::Damaged, "{error}");
        assert!(!setup.device.files().contains(&NAME.to_owned()));
    }
}

#[tokio::test]
async fn a_package_with_other_bytes_is_refused_and_deleted() {
    let setup = Setup::new();
    let mut wrong = package();
    wrong[1_299_999] ^= 1;
    let mut long = package();
    long.push(0);
    for bytes in [wrong, long] {
        setup.network.intercept(move |_| reply::reply(200, "x/y", bytes.clone()));
        let error = setup.download().await.unwrap_err();
        assert_eq!(error.problem(), Problem::Damaged, "{error}");
        assert_eq!(setup.device.files(), [""; 0]);
    }
}

#[tokio::test]
async fn a_package_whose_signature_is_for_another_file_is_refused() {
    let mut setup = Setup::new();
    let good = setup.feed.files[TARGET].clone();
    let other_key = Publisher::new();
    let signature = |publisher: &Publisher, release, channel, target| {
        let feed = publisher.feed_for(release, channel, target, &package());
        feed.files[target].signature.clone()
    };
    for (signature, field) in [
        (signature(&other_key, "1.2.0", Channel::Stable, TARGET), None),
        (signature(&setup.publisher, "1.1.9", Channel::Stable, TARGET), Some("version")),
        (signature(&setup.publisher, "1.2.0", Channel::Beta, TARGET), Some("channel")),
        (
            signature(&setup.publisher, "1.2.0", Channel::Stable, "linux-x86_64-program"),
            Some("target"),
        ),
        (setup.publisher.feed("1.2.0", b"other bytes").files[TARGET].signature.clone(), None),
        ("no signature".into(), None),
    ] {
        setup.feed.files.get_mut(TARGET).unwrap().signature = signature;
        let error = setup.download().await.unwrap_err();
        assert_eq!(error.problem(), Problem::Signature, "{field:?}: {error}");
        if let Some(expected) = field {
            let is_named = matches!(&error, Error::OtherFile { field, .. } if *field == expected);
            assert!(is_named, "{expected}: {error}");
        }
        assert_eq!(setup.device.files(), [""; 0]);
    }
    setup.feed.files.get_mut(TARGET).unwrap().signature = good.signature;
    setup.is_complete(&setup.download().await.unwrap());
}

#[tokio::test]
async fn the_next_mirror_continues_the_file() {
    let setup = Setup::new();
    setup.files.publish(SECOND, &setup.publisher, &setup.feed, &package());
    setup.network.enqueue([broken_after(700_000)]);
    setup.is_complete(&setup.download_from(&[BASE, SECOND]).await.unwrap());
    let requests = setup.network.take_requests();
    let hosts: Vec<&str> = requests.iter().map(|r| r.url.split('/').nth(2).unwrap()).collect();
    assert_eq!(hosts, ["updates.example.org", "mirror.example.org"]);
}

#[tokio::test]
async fn a_replaced_mirror_does_not_prevent_the_update() {
    let setup = Setup::new();
    setup.files.publish(SECOND, &setup.publisher, &setup.feed, &package());
    let mut wrong = package();
    wrong[0] ^= 1;
    setup.files.put(format!("{BASE}/files/1.2.0/{NAME}"), wrong);
    setup.is_complete(&setup.download_from(&[BASE, SECOND]).await.unwrap());
}

#[tokio::test]
async fn without_disk_space_nothing_is_written() {
    let setup = Setup::new();
    setup.device.disk.set_capacity(1_299_999 + MIN_FREE_BYTES);
    let error = setup.download().await.unwrap_err();
    assert_eq!(error.problem(), Problem::NoSpace, "{error}");
    assert_eq!(
        error.to_string(),
        "the update needs 68408864 bytes of disk space, 68408863 are free"
    );
    assert_eq!(setup.ranges(), [0], "other mirrors are not asked");
    setup.device.disk.set_capacity(1_300_000 + MIN_FREE_BYTES);
    setup.is_complete(&setup.download().await.unwrap());
}

#[tokio::test]
async fn leftovers_of_other_versions_are_deleted() {
    let setup = Setup::new();
    setup.download().await.unwrap();
    let packages = setup.device.dir.path().join("packages");
    fs::write(packages.join("carrel_1.1.0.AppImage"), "old").unwrap();
    fs::write(packages.join("carrel_1.1.5.AppImage.part"), "old").unwrap();
    let downloader = setup.device.downloader(setup.network.clone(), setup.publisher.keys());
    downloader.clean(setup.feed.files.get(TARGET));
    assert_eq!(setup.device.files(), [NAME]);
    downloader.clean(None);
    assert_eq!(setup.device.files(), [""; 0]);
}

#[tokio::test]
async fn a_downloaded_package_that_changed_is_downloaded_again() {
    let setup = Setup::new();
    let found = setup.download().await.unwrap();
    let mut changed = package();
    changed[5] ^= 1;
    fs::write(&found.path, changed).unwrap();
    setup.ranges();
    setup.is_complete(&setup.download().await.unwrap());
    assert_eq!(setup.ranges(), [0]);
}

//! Update files, as the release tool writes them.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use carrel_release::{
    artefact::Artefact,
    publish::{Release, publish},
};
use carrel_update::{
    Channel, Mode, PackageKind, Problem, UpdatePolicy, decision::Installation, mirror::Mirrors,
    offline,
};
use serde_json::json;

use super::support::{Files, Publisher, TARGET, day, installation, version};

const NAME: &str = "Carrel_1.2.0_amd64.AppImage";
const BASE: &str = "https://updates.example.org";

/// Writes a release with two packages; returns the folder.
fn release(publisher: &Publisher) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("bundle");
    fs::create_dir(&input).unwrap();
    for name in [NAME, "Carrel_1.2.0_amd64.deb", "carrel-server_1.2.0_amd64.deb"] {
        fs::write(input.join(name), format!("package {name}")).unwrap();
    }
    let metadata = |_: &str| {
        let package =
            |name| json!({ "id": name, "name": name, "version": "1.2.0", "source": null });
        Ok(
            json!({ "packages": [package("carrel"), package("carrel-server")], "resolve": { "nodes": [] } }),
        )
    };
    let release = Release {
        channel: Channel::Stable,
        version: version("1.2.0"),
        published: day(0),
        valid_days: 30,
        notes: "- New.".into(),
        rollout: 100,
        minimum_version: None,
        artefacts: carrel_release::artefact::find(&input).unwrap(),
        metadata: &metadata,
        cargo_lock: String::new(),
        npm_lock: json!({}),
    };
    publish(&release, &publisher.key, &dir.path().join("mirror")).unwrap();
    dir
}

#[tokio::test]
async fn a_published_folder_is_a_mirror() {
    let publisher = Publisher::new();
    let dir = release(&publisher);
    let files = Files::default();
    let mut names = Vec::new();
    for entry in fs::read_dir(dir.path().join("mirror")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        files.put(format!("{BASE}/{name}"), fs::read(&path).unwrap());
        names.push(name);
    }
    names.sort();
    assert_eq!(
        names,
        [
            NAME,
            "Carrel_1.2.0_amd64.AppImage.carrel-update",
            "Carrel_1.2.0_amd64.AppImage.cdx.json",
            "Carrel_1.2.0_amd64.deb",
            "Carrel_1.2.0_amd64.deb.carrel-update",
            "Carrel_1.2.0_amd64.deb.cdx.json",
            "SHA256SUMS-1.2.0",
            "SHA256SUMS-1.2.0.minisig",
            "carrel-server_1.2.0_amd64.deb",
            "carrel-server_1.2.0_amd64.deb.cdx.json",
            "stable.json",
            "stable.json.minisig",
        ]
    );
    let mirrors = Mirrors::parse(&[BASE]).unwrap();
    let http: std::sync::Arc<dyn carrel_net::Http> = files.network();
    let feed = mirrors.feed(&http, &publisher.keys(), Channel::Stable, &|_| Ok(())).await.unwrap();
    assert_eq!((&feed.version, &*feed.notes), (&version("1.2.0"), "- New."));
    assert_eq!((feed.published, feed.expires), (day(0), day(30)));
    assert_eq!(feed.files.keys().collect::<Vec<_>>(), [TARGET, "linux-x86_64-deb"]);
    let device = super::support::Device::new();
    let downloader = device.downloader(http, publisher.keys());
    let addresses = mirrors.addresses(&feed.files[TARGET].urls);
    let package = downloader.download(&feed, TARGET, &addresses, &|_| ()).await.unwrap();
    assert_eq!(fs::read(package.path).unwrap(), format!("package {NAME}").into_bytes());
    let sums = fs::read_to_string(dir.path().join("mirror/SHA256SUMS-1.2.0")).unwrap();
    let sum = &feed.files[TARGET].sha256;
    assert!(sums.contains(&format!("{sum}  {NAME}\n")), "{sums}");
    let signature = fs::read_to_string(dir.path().join("mirror/SHA256SUMS-1.2.0.minisig")).unwrap();
    publisher.keys().verify("sums", sums.as_bytes(), &signature).unwrap();
}

struct Reader {
    publisher: Publisher,
    dir: tempfile::TempDir,
    installation: Installation,
    policy: UpdatePolicy,
}

impl Reader {
    fn new() -> Self {
        let publisher = Publisher::new();
        let dir = release(&publisher);
        let policy = UpdatePolicy::default();
        Self { publisher, dir, installation: installation("1.1.0"), policy }
    }
    fn file(&self) -> PathBuf {
        self.dir.path().join(format!("mirror/{NAME}.carrel-update"))
    }
    fn packages(&self) -> PathBuf {
        self.dir.path().join("packages")
    }
    fn read(&self, path: &Path) -> Result<offline::UpdateFile, carrel_update::Error> {
        let keys = self.publisher.keys();
        let found = offline::read(&keys, path, &self.installation, &self.policy, &self.packages());
        if found.is_err() {
            let remains = fs::read_dir(self.packages()).map_or(0, Iterator::count);
            assert_eq!(remains, 0, "nothing remains of a refused file");
        }
        found
    }
    fn refused(&self, path: &Path) -> Problem {
        let error = self.read(path).unwrap_err();
        assert!(!error.to_string().is_empty());
        error.problem()
    }
}

#[test]
fn an_update_file_is_verified_and_extracted() {
    let reader = Reader::new();
    let found = reader.read(&reader.file()).unwrap();
    assert_eq!(found.feed.version, version("1.2.0"));
    let bytes = fs::read(found.package.path).unwrap();
    assert_eq!(bytes, format!("package {NAME}").into_bytes());
}

#[test]
fn an_update_file_that_does_not_fit_is_refused() {
    let mut reader = Reader::new();
    let file = reader.file();
    reader.installation.version = version("1.3.0");
    assert_eq!(reader.refused(&file), Problem::Downgrade);
    reader.installation.version = version("1.2.0");
    assert_eq!(reader.refused(&file), Problem::Other, "it is installed");
    reader.installation.version = version("1.1.0");
    reader.installation.target.package = PackageKind::Program;
    assert_eq!(reader.refused(&file), Problem::NoPackage);
    reader.installation.target.package = PackageKind::Deb;
    assert_eq!(reader.refused(&file), Problem::Managed);
    reader.policy.managed_packages = true;
    // The file contains another package of the same release.
    assert_eq!(reader.refused(&file), Problem::NoPackage);
    reader.policy.mode = Mode::Off;
    assert_eq!(reader.refused(&file), Problem::Off);
}

#[test]
fn a_damaged_or_foreign_update_file_is_refused() {
    let reader = Reader::new();
    let good = fs::read(reader.file()).unwrap();
    let file = reader.dir.path().join("changed");
    let refused = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        reader.refused(&file)
    };
    assert_eq!(refused(b""), Problem::Damaged);
    assert_eq!(refused(b"no zip"), Problem::Damaged);
    for length in (0..good.len()).step_by(97) {
        assert_eq!(refused(&good[..length]), Problem::Damaged, "{length} bytes");
    }
    // One changed byte of the package.
    let text = b"package Carrel";
    let at = good.windows(text.len()).position(|w| w == text).unwrap();
    let mut changed = good.clone();
    changed[at] ^= 1;
    assert_eq!(refused(&changed), Problem::Damaged);
    let foreign = release(&Publisher::new());
    let foreign = foreign.path().join(format!("mirror/{NAME}.carrel-update"));
    assert_eq!(reader.refused(&foreign), Problem::Signature);
}

#[test]
fn a_package_that_is_longer_than_its_feed_says_is_not_written() {
    let reader = Reader::new();
    let mut zip = zip::ZipWriter::new(fs::File::create(reader.dir.path().join("long")).unwrap());
    let options = zip::write::SimpleFileOptions::default();
    let mirror = reader.dir.path().join("mirror");
    for (entry, bytes) in [
        (offline::FEED_ENTRY, fs::read(mirror.join("stable.json")).unwrap()),
        (offline::SIGNATURE_ENTRY, fs::read(mirror.join("stable.json.minisig")).unwrap()),
        (NAME, vec![0; 50_000_000]),
    ] {
        zip.start_file(entry, options).unwrap();
        zip.write_all(&bytes).unwrap();
    }
    zip.finish().unwrap();
    assert_eq!(reader.refused(&reader.dir.path().join("long")), Problem::Damaged);
}

#[test]
fn two_packages_for_one_target_are_refused() {
    let publisher = Publisher::new();
    let dir = release(&publisher);
    let path = dir.path().join("bundle").join(NAME);
    let twice = Artefact::of(&path).unwrap().unwrap();
    let metadata = |_: &str| {
        Ok(
            json!({ "packages": [{ "id": "carrel", "name": "carrel", "version": "1.2.0", "source": null }] }),
        )
    };
    let release = Release {
        channel: Channel::Beta,
        version: version("1.2.0"),
        published: day(0),
        valid_days: 1,
        notes: String::new(),
        rollout: 10,
        minimum_version: None,
        artefacts: vec![twice.clone(), twice],
        metadata: &metadata,
        cargo_lock: String::new(),
        npm_lock: json!({}),
    };
    let out = dir.path().join("other");
    assert!(publish(&release, &publisher.key, &out).is_err());
    assert!(!out.join("beta.json").exists(), "the feed is written last");
}

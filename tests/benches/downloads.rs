//! Measures first downloads over loopback: four courses of many files, and one long file relative to `curl` followed by
//! one BLAKE3 pass over its output.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use carrel_client::{Client, account};
use carrel_content::{Kind, download::DownloadTarget};
use carrel_model::{BlobHash, DeviceId, Slug, content::ManifestContent, wire::LoginRequest};
use carrel_net::LiveHttp;
use carrel_server::RunningServer;
use carrel_testkit::SeededRng;
use serde_json::json;

use super::{PASSWORD, Table, format_duration, median_and_p99, micros, open_client};

/// Four courses: 108 sections, 246 files, 10.9 MB.
const COURSES: usize = 4;
const SECTIONS: usize = 27;
const FILES: usize = 246;
const TOTAL_BYTES: usize = 10_900_000;
/// Size of the long file in bytes.
const LONG_FILE_BYTES: usize = 64 * 1024 * 1024;
const RUNS: u64 = 5;

pub async fn measure(table: &mut Table, server: &RunningServer, dir: &Path) {
    let packages = dir.join("many");
    let ids: Vec<Slug> = (0..COURSES).map(|n| write_course(&packages, n)).collect();
    let long_course = Slug::new("long").expect("an id");
    write_long_course(&packages.join("long"));
    let report = server.import(&[packages]).await.expect("the courses are imported");
    assert!(report.is_ok(), "{report:#?}");

    let mut times = Vec::new();
    let mut files = 0;
    for run in 0..RUNS {
        let device = Device::new(server, dir, run).await;
        times.push(device.download(&ids).await);
        files = device.files(&ids).await;
        device.client.close().await;
    }
    let (median, worst) = median_and_p99(times);
    table.row(
        "fresh download of 4 courses, verified",
        format!("{} worst {}", format_duration(median), format_duration(worst)),
        format!("{} files, {FILES} expected", files),
        micros(median) / 1e3,
        250.0,
        "ms",
    );

    let (mut client_times, mut baselines) = (Vec::new(), Vec::new());
    for run in RUNS..2 * RUNS {
        let device = Device::new(server, dir, run).await;
        client_times.push(device.download(std::slice::from_ref(&long_course)).await);
        let hash = device.largest(&long_course).await;
        baselines.push(curl_and_hash(&device, hash, &dir.join("curl-output")));
        device.client.close().await;
    }
    let (client_median, baseline) = (median_and_p99(client_times).0, median_and_p99(baselines).0);
    table.row(
        "verified download, 64 MiB",
        format_duration(client_median),
        format!("curl + BLAKE3 {}", format_duration(baseline)),
        micros(client_median) / micros(baseline),
        1.2,
        "x curl + BLAKE3",
    );
}

struct Device {
    client: Arc<Client>,
    url: String,
    token: String,
}

impl Device {
    async fn new(server: &RunningServer, dir: &Path, n: u64) -> Self {
        let http = Arc::new(LiveHttp::new("Carrel/bench").expect("a client"));
        let client = open_client(&dir.join(format!("fresh-{n}")), http.clone(), 100 + n).await;
        let url = server.url();
        client.sign_in(&url, "asha", PASSWORD).await.expect("signed in");
        let request = LoginRequest {
            login: "asha".into(),
            password: PASSWORD.into(),
            device_id: DeviceId::from_u128(u128::from(n)),
            device_name: "curl".into(),
            account_certificate: String::new(),
            enrolment_token: String::new(),
        };
        let reply = account::login(http.as_ref(), &url, &request).await.expect("a token");
        Self { client, url, token: reply.access_token }
    }
    /// Measures the time from the download requests until all courses are ready.
    async fn download(&self, ids: &[Slug]) -> Duration {
        let account = self.client.require_account().expect("an account");
        let downloads = &account.content.downloads;
        let mut changes = self.client.changes().subscribe();
        let start = Instant::now();
        for id in ids {
            downloads.start(Kind::Course, id).expect("started");
        }
        let ready =
            |id: &Slug| downloads.state(Kind::Course, id).expect("a state").ready_version.is_some();
        while !ids.iter().all(ready) {
            let _ = changes.recv().await;
        }
        let took = start.elapsed();
        for id in ids {
            let verification =
                downloads.verify(&DownloadTarget::whole(Kind::Course, id)).await.expect("a proof");
            assert!(verification.missing_files.is_empty());
        }
        took
    }
    async fn files(&self, ids: &[Slug]) -> usize {
        let account = self.client.require_account().expect("an account");
        let mut files = 0;
        for id in ids {
            let manifest = account.content.library.manifest(Kind::Course, id).await;
            files += manifest.expect("a manifest").value.manifest.blobs.len();
        }
        files
    }
    async fn largest(&self, id: &Slug) -> BlobHash {
        let account = self.client.require_account().expect("an account");
        let manifest = account.content.library.manifest(Kind::Course, id).await;
        let manifest = manifest.expect("a manifest").value;
        assert!(matches!(manifest.manifest.content, ManifestContent::Course { .. }));
        manifest.manifest.blobs.iter().max_by_key(|b| b.size).expect("a blob").hash
    }
}

/// Measures the baseline: `curl` into a file, then the hash of the file.
fn curl_and_hash(device: &Device, hash: BlobHash, to: &PathBuf) -> Duration {
    let _ = fs::remove_file(to);
    let start = Instant::now();
    let status = Command::new("curl")
        .args(["--silent", "--fail", "--output"])
        .arg(to)
        .arg("--header")
        .arg(format!("Authorization: Bearer {}", device.token))
        .arg(format!("{}/api/blobs/{hash}", device.url))
        .status()
        .expect("curl runs");
    assert!(status.success(), "curl exits with 0");
    let actual = BlobHash::of(&fs::read(to).expect("the file"));
    let took = start.elapsed();
    assert_eq!(actual, hash);
    took
}

fn write_course(packages: &Path, n: usize) -> Slug {
    let id = Slug::new(format!("many-{n}")).expect("an id");
    let dir = packages.join(id.as_str());
    fs::create_dir_all(&dir).expect("a folder");
    let media = FILES - COURSES * SECTIONS;
    let own_media: Vec<usize> = (0..media).filter(|m| m % COURSES == n).collect();
    let sections: Vec<_> = (0..SECTIONS)
        .map(|s| {
            let mut text = format!("# Section {s}\n\n");
            for word in 0..150 {
                text.push_str(&format!("Word {word} of section {s} of course {n}. "));
            }
            for m in own_media.iter().filter(|m| (*m / COURSES) % SECTIONS == s) {
                let file = format!("r{m}.wav");
                fs::write(dir.join(&file), wav(*m as u64, TOTAL_BYTES / media - 4_000)).expect("a recording");
                fs::write(dir.join(format!("r{m}.md")), "The transcript.\n").expect("its transcript");
                text.push_str(&format!("\n\n![Recording {m}]({file})\n"));
            }
            fs::write(dir.join(format!("s{s}.md")), text).expect("a text");
            json!({ "id": format!("s{s}"), "type": "TEXT", "title": format!("Section {s}"), "file": format!("s{s}.md") })
        })
        .collect();
    write(&dir, id.as_str(), &sections);
    id
}

fn write_long_course(dir: &Path) {
    fs::create_dir_all(dir).expect("a folder");
    fs::write(dir.join("long.wav"), wav(9_999, LONG_FILE_BYTES)).expect("a recording");
    fs::write(dir.join("long.md"), "The transcript.\n").expect("its transcript");
    fs::write(dir.join("s.md"), "# One\n\n![A long recording](long.wav)\n").expect("a text");
    write(dir, "long", &[json!({ "id": "s", "type": "TEXT", "title": "One", "file": "s.md" })]);
}

fn write(dir: &Path, id: &str, sections: &[serde_json::Value]) {
    let course = json!({
        "format": "carrel-course/1", "id": id, "title": id, "description": "", "lang": "en", "difficulty": "BEGINNER",
        "category": "Bench", "license": "CC0-1.0", "cover": { "color": "#28505a", "ornament": "waves" },
        "lessons": [{ "id": "l", "title": "All", "sections": sections }],
    });
    let text = serde_json::to_vec_pretty(&course).expect("JSON");
    fs::write(dir.join("course.json"), text).expect("a course");
}

/// Returns a recording of `bytes` bytes of noise, which cannot be compressed.
fn wav(seed: u64, bytes: usize) -> Vec<u8> {
    let bytes = u32::try_from(bytes & !7).expect("short enough");
    let mut wav = Vec::with_capacity(44 + bytes as usize);
    wav.extend_from_slice(b"RIFF");
    wav.extend_from_slice(&(36 + bytes).to_le_bytes());
    wav.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend_from_slice(&8_000_u32.to_le_bytes());
    wav.extend_from_slice(&16_000_u32.to_le_bytes());
    wav.extend_from_slice(b"\x02\0\x10\0data");
    wav.extend_from_slice(&bytes.to_le_bytes());
    let rng = SeededRng::new(seed);
    wav.extend((0..bytes / 8).flat_map(|_| rng.next().to_le_bytes()));
    wav
}

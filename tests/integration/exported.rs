//! A client with downloaded content that is exported to files, for tests of files and of full disks.

use std::{fs, net::TcpStream, path::Path, sync::Arc};

use carrel_client::{Client, Error, ImportError, OpenAccount};
use carrel_content::{
    Kind,
    download::{DownloadTarget, Phase},
};
use carrel_model::content::{Block, ManifestContent, SectionBody};
use carrel_testkit::{FakeClock, TestServer, content, device::PASSWORD, scratch::scratch};
use tempfile::TempDir;

use crate::client::{self, ALL, wait_until};

/// A client that has downloaded the course and the story, its server, and a folder for files.
pub struct ExportFixture {
    pub clock: FakeClock,
    pub server: TestServer,
    _dir: TempDir,
    pub client: Arc<Client>,
    pub account: Arc<OpenAccount>,
    pub drive: TempDir,
}

/// Returns the data folder of a server with the test library; its recordings are too large for the database.
pub async fn library() -> TempDir {
    let (packages_dir, dir) = (scratch(), scratch());
    content::write_library(packages_dir.path()).expect("the packages");
    for (n, lesson) in content::LESSONS.iter().enumerate() {
        let file = packages_dir.path().join(content::COURSE).join(lesson).join("stream.wav");
        fs::write(file, wav(1_500_000, n as u32 + 20)).expect("a recording");
    }
    let library =
        carrel_server::DataDir::open(carrel_server::Config::new(dir.path())).expect("a library");
    let report = library.import(&[packages_dir.path().to_owned()]).await.expect("an import");
    assert!(report.is_ok(), "{report:?}");
    drop(library);
    dir
}

/// Returns a recording: 8 kHz, 16 bit, mono.
pub fn wav(samples: u32, pitch: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(b"RIFF");
    bytes.extend_from_slice(&(36 + samples * 2).to_le_bytes());
    bytes.extend_from_slice(
        b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data",
    );
    bytes.extend_from_slice(&(samples * 2).to_le_bytes());
    bytes.extend(
        (0..samples).flat_map(|n| {
            (if (n / pitch).is_multiple_of(2) { 900_i16 } else { -900 }).to_le_bytes()
        }),
    );
    bytes
}

pub async fn export_fixture() -> ExportFixture {
    let clock = FakeClock::noon();
    let library_dir = library().await;
    let server = TestServer::with_settings(
        &clock,
        carrel_server::Settings::default(),
        Some(library_dir.path()),
    )
    .await;
    let dir = scratch();
    let client = client::open(dir.path(), client::live_http(), &clock, 1, false).await;
    let account =
        client.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    account.content.library.courses(&ALL).await.expect("the list of courses");
    account.content.library.stories(&ALL).await.expect("the list of stories");
    download(&client, &account, Kind::Course).await;
    download(&client, &account, Kind::Story).await;
    ExportFixture { clock, server, _dir: dir, client, account, drive: scratch() }
}

pub fn id(kind: Kind) -> carrel_model::Slug {
    match kind {
        Kind::Course => content::course(),
        Kind::Story => content::story(),
    }
}

pub async fn download(client: &Client, account: &OpenAccount, kind: Kind) {
    account.content.downloads.start(kind, &id(kind)).expect("a download");
    wait_until(client, "the download", || async {
        let state = account.content.downloads.state(kind, &id(kind)).expect("its state");
        (state.phase == Phase::Ready && state.bytes_done == state.bytes_total).then_some(())
    })
    .await;
}

pub fn course_and_story() -> [(Kind, carrel_model::Slug); 2] {
    [(Kind::Course, content::course()), (Kind::Story, content::story())]
}

pub fn import_error(e: Error) -> ImportError {
    match e {
        Error::Import(refusal) => refusal,
        other => panic!("not a refusal: {other}"),
    }
}

pub async fn stop_server(server: &mut TestServer) {
    server.stop().await;
    let address = server.url().trim_start_matches("http://").to_owned();
    assert!(TcpStream::connect(&address).is_err(), "the port is closed");
}

pub fn phase(account: &OpenAccount, kind: Kind) -> Phase {
    account.content.downloads.state(kind, &id(kind)).expect("its state").phase
}

/// Checks that lists, sections, blobs, search and verification work without a network.
pub async fn check_offline_content(account: &OpenAccount) {
    let library = &account.content.library;
    let courses = library.courses(&ALL).await.expect("the list").value.items;
    assert_eq!(courses.iter().map(|c| c.meta.id.as_str()).collect::<Vec<_>>(), [content::COURSE]);
    assert_eq!(library.stories(&ALL).await.expect("the list").value.items.len(), 1);
    let manifest =
        library.manifest(Kind::Course, &content::course()).await.expect("the manifest").value;
    let ManifestContent::Course { outline, .. } = &manifest.manifest.content else {
        panic!("not a course")
    };
    let mut media = 0;
    for section in outline.lessons.iter().flat_map(|l| &l.sections) {
        let body: SectionBody = library.body(section.body).await.expect("a section");
        media += body
            .blocks
            .iter()
            .filter(|b| matches!(b, Block::Audio { .. } | Block::Image { .. }))
            .count();
    }
    assert!(media > 0, "the course has audio and images");
    for blob in &manifest.manifest.blobs {
        assert_eq!(library.blob(blob.hash).await.expect("every blob is stored").size(), blob.size);
    }
    library.find_story(&content::story().into()).await.expect("the story opens");
    assert!(!library.search("meander", 0, 50).expect("a search").hits.is_empty());
    for kind in [Kind::Course, Kind::Story] {
        assert_eq!(phase(account, kind), Phase::Ready);
        let verification = account
            .content
            .downloads
            .verify(&DownloadTarget::whole(kind, &id(kind)))
            .await
            .expect("a proof");
        assert_eq!(verification.missing(), 0);
    }
}

/// Copies a file and replaces text in its header.
pub fn rewrite_header(from: &Path, to: &Path, old: &str, new: &str) {
    let file = fs::read(from).expect("the file");
    let end = 44 + u32::from_be_bytes(file[8..12].try_into().expect("a length")) as usize;
    let head = String::from_utf8(file[44..end].to_vec()).expect("text").replace(old, new);
    let mut out = carrel_bundle::frame(head.as_bytes()).expect("a frame");
    out.extend_from_slice(&file[end..]);
    fs::write(to, out).expect("written");
}

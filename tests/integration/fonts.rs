//! Fonts for scripts that the UI's own fonts do not cover: the server adds them to courses, and a download or a file
//! brings them along.

use std::{fs, path::Path, sync::Arc};

use carrel_client::Client;
use carrel_content::{
    Kind,
    download::{DownloadTarget, Phase},
};
use carrel_model::{BlobHash, Slug, content::Manifest};
use carrel_testkit::{
    FakeClock, Network, TestServer, content, device::PASSWORD, font_package::write_font_packages,
    scratch::scratch,
};
use serde_json::{Value, json};

use crate::{
    client::{self, ALL, wait_until},
    exported::stop_server,
    space::UiHost,
};

const COURSES: [&str; 2] = ["rivers-of-asia", "seas-of-asia"];
const DEVANAGARI: &str = "wOF2 noto-sans-devanagari-devanagari-wght-normal.woff2";
const KANA: &str = "wOF2 noto-sans-jp-0-wght-normal.woff2";
const KANJI: &str = "wOF2 noto-sans-jp-1-wght-normal.woff2";

fn slug(id: &str) -> Slug {
    Slug::new(id).expect("a valid slug")
}
fn hash_of(file: &str) -> BlobHash {
    BlobHash::of(file.as_bytes())
}

/// Writes two courses: Hindi in the first lesson, Japanese in the second one, in a quiz too.
fn write_courses(dir: &Path) {
    for id in COURSES {
        let course = dir.join(id);
        content::write_course(&course, id, "Water").expect("a course");
        fs::write(course.join("source/try.md"), format!("{id}: नदी पहाड़ से निकलती है।\n"))
            .expect("Hindi");
        fs::write(course.join("bend/try.md"), "かわ\n").expect("Japanese");
        let quiz = course.join("mouth/check.json");
        let text = fs::read_to_string(&quiz).expect("a quiz").replace("Outside", "河");
        fs::write(quiz, text).expect("a quiz with a Han character");
    }
}

/// Returns a server with both courses, which were published before the fonts were installed.
async fn server(clock: &FakeClock) -> TestServer {
    let (courses, packages) = (scratch(), scratch());
    write_courses(courses.path());
    write_font_packages(packages.path()).expect("font packages");
    let server = TestServer::empty(clock).await;
    server.import(&[courses.path().to_owned()]).await;
    let data = server.running().data();
    let sources = vec![packages.path().to_owned()];
    let install = |sources| carrel_server::fonts::install(data, sources);
    assert_eq!(install(sources.clone()).await.expect("installed"), 2, "both courses changed");
    // A course that is imported later gets them too: the same version.
    server.import(&[courses.path().to_owned()]).await;
    assert_eq!(install(sources).await.expect("installed again"), 0);
    let uses = carrel_server::fonts::list(data).await.expect("the list");
    let used: Vec<_> = uses
        .iter()
        .filter(|font| font.needed > 0)
        .map(|font| (font.script, font.installed.is_some(), font.needed, font.included))
        .collect();
    assert_eq!(used, [("Devanagari", true, 2, 2), ("Japanese", true, 2, 2)]);
    server
}

async fn wait_for(client: &Client, target: &DownloadTarget) {
    let account = client.account().expect("the account");
    account.content.downloads.request(target, false).expect("a download");
    wait_until(client, "the download", || async {
        let state = account.content.downloads.state_of(target).expect("its state");
        (state.phase == Phase::Ready).then_some(())
    })
    .await;
}

async fn manifest(client: &Client, id: &str) -> Manifest {
    let library = &client.account().expect("the account").content.library;
    let known = library.known_manifest(Kind::Course, &slug(id)).await.expect("read");
    known.expect("the manifest").manifest.clone()
}

/// Requests a font file as the web view does. Returns status, type and content.
async fn font(client: &Client, file: &str) -> (u16, String, String) {
    let url = format!("{}{}", client.media_base(), hash_of(file));
    let reply = client::live_http().send(carrel_net::Request::get(&url)).await;
    let reply = reply.expect("the loopback server");
    let kind = reply.headers.get("content-type").map_or("", |v| v.to_str().unwrap_or_default());
    let (status, kind) = (reply.status, kind.to_owned());
    let bytes = reply.bytes(1000).await.expect("the file");
    (status, kind, String::from_utf8_lossy(&bytes).into_owned())
}

fn is_stored(client: &Client, file: &str) -> bool {
    let library = &client.account().expect("the account").content.library;
    library.blobs().locate(hash_of(file)).expect("the store").is_some()
}

async fn fonts_of(ui: &UiHost, item: &str, lang: &str) -> Vec<(String, bool)> {
    let found = ui.call("get_fonts", json!({ "item": item, "lang": lang })).await;
    let files = found["files"].as_array().expect("files").iter();
    let name = |file: &Value| {
        let known =
            [DEVANAGARI, KANA, KANJI].into_iter().find(|f| json!(hash_of(f)) == file["hash"]);
        assert_eq!(file["weight"], "100 900");
        (known.expect("a known file").to_owned(), file["suits"] == true)
    };
    files.map(name).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_brings_its_fonts_along_and_two_courses_share_them() {
    let clock = FakeClock::noon();
    let mut server = server(&clock).await;
    let dir = scratch();
    let http = Network::over(client::live_http());
    let device = client::open(dir.path(), http.clone(), &clock, 1, false).await;
    let account =
        device.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("signed in");
    account.content.library.courses(&ALL).await.expect("the list of courses");
    for id in COURSES {
        wait_for(&device, &DownloadTarget::whole(Kind::Course, &slug(id))).await;
    }
    let fingerprint = server.running().data().fingerprint();
    let fetched = http.take_requests();
    for file in [DEVANAGARI, KANA, KANJI] {
        let requests = fetched.iter().filter(|r| r.url.ends_with(&hash_of(file).to_hex())).count();
        assert_eq!(requests, 1, "{file} is fetched once");
    }
    stop_server(&mut server).await;
    let ui = UiHost(Arc::clone(&device));

    // Offline, the UI gets the files that the texts need, without the file of rare characters and that of Latin letters.
    let all =
        |suits| [(DEVANAGARI, true), (KANA, suits), (KANJI, suits)].map(|(f, s)| (f.to_owned(), s));
    assert_eq!(fonts_of(&ui, "rivers-of-asia/source/try", "en").await, all(true));
    assert_eq!(fonts_of(&ui, "seas-of-asia", "zh-Hans").await, all(false));
    assert_eq!(fonts_of(&ui, "unknown-course", "en").await, []);
    for file in [DEVANAGARI, KANA, KANJI] {
        assert_eq!(font(&device, file).await, (200, "font/woff2".into(), file.into()));
    }
    let text = manifest(&device, COURSES[0]).await;
    assert_eq!(
        text.fonts.iter().map(|f| f.family.as_str()).collect::<Vec<_>>(),
        ["Noto Sans Devanagari", "Noto Sans JP"]
    );
    for pack in &text.fonts {
        let license =
            account.content.library.blob(pack.license).await.expect("the licence is stored");
        assert!(license.size() > 0);
    }

    // A file brings them to another device.
    let drive = scratch();
    let courses = [(Kind::Course, slug(COURSES[0]))];
    let sent = device.export_courses(&courses, drive.path()).await.expect("a file");
    let other_dir = scratch();
    let other = client::open(other_dir.path(), client::live_http(), &clock, 2, false).await;
    other.open_guest().await.expect("an account without a server");
    other.import_courses(&sent.path, Some(&fingerprint)).await.expect("imported");
    assert_eq!(font(&other, KANJI).await.0, 200);

    // They are kept until the last course that needs them is removed.
    for (n, id) in COURSES.into_iter().enumerate() {
        ui.call("remove_download", json!({ "id": id, "isStory": false })).await;
        ui.call("clear_cache", json!({})).await;
        for file in [DEVANAGARI, KANA, KANJI] {
            assert_eq!(is_stored(&device, file), n == 0, "{file} after {id} was removed");
        }
    }
    assert_eq!(font(&device, DEVANAGARI).await.0, 503);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lesson_brings_only_the_font_files_of_its_texts() {
    let clock = FakeClock::noon();
    let mut server = server(&clock).await;
    let dir = scratch();
    let device = client::open(dir.path(), client::live_http(), &clock, 1, false).await;
    let account =
        device.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("signed in");
    account.content.library.courses(&ALL).await.expect("the list of courses");
    for (lesson, files) in
        [("bend", &[KANA][..]), ("mouth", &[KANA, KANJI]), ("source", &[DEVANAGARI, KANA, KANJI])]
    {
        let item = format!("{}/{lesson}", COURSES[0]);
        wait_for(&device, &DownloadTarget::lesson(&slug(COURSES[0]), &item)).await;
        let stored: Vec<_> =
            [DEVANAGARI, KANA, KANJI].into_iter().filter(|f| is_stored(&device, f)).collect();
        assert_eq!(stored, files, "{lesson}");
    }
    stop_server(&mut server).await;
    let ui = UiHost(Arc::clone(&device));
    assert_eq!(fonts_of(&ui, "rivers-of-asia/bend/try", "en").await.len(), 3);
}

//! A learner adds files of other programs on the device: offline, kept beside the server's courses, progress is synced.

use std::{fs, path::Path};

use carrel_commands::dispatch;
use carrel_content::Kind;
use carrel_testkit::{
    Answer, FakeClock, Network, TestServer, content, device::PASSWORD, scratch::scratch,
};
use serde_json::{Value, json};

use crate::client::{self, ALL, CommandHost, live_http, sync, two_devices};

const QUESTIONS: &str = "$CATEGORY: Rivers\n\n::Source::Where does a river begin? {=at its source ~at its mouth}\n\n\
    ::Delta::Which rivers have a delta? {~%50%the Nile ~%50%the Niger ~%-100%the Thames}\n\n\
    ::Essay::Describe a river near you. {}\n";

async fn call(host: &CommandHost, name: &str, request: Value) -> Result<Value, Value> {
    dispatch(host, name, request).await.map_err(|e| serde_json::to_value(e).expect("an error"))
}

async fn inspect(host: &CommandHost, path: &Path, lang: &str) -> Value {
    call(host, "inspect_file", json!({ "path": path, "lang": lang }))
        .await
        .expect("the file is inspected")
}

async fn import(host: &CommandHost, inspected: &Value) -> Value {
    let request = json!({ "path": inspected["converted"]["path"] });
    call(host, "import_courses", request).await.expect("imported")["courses"][0].clone()
}

async fn listed(host: &CommandHost) -> Vec<String> {
    let account = host.client.account().expect("the account");
    let courses = account.content.library.courses(&ALL).await.expect("the list").value.items;
    courses.iter().map(|course| course.meta.id.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_another_program_becomes_a_course_of_the_learner() {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let (dir, files) = (scratch(), scratch());
    let net = Network::over(live_http());
    let client = client::open(dir.path(), net.clone(), &clock, 1, false).await;
    let account =
        client.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    sync(&account).await;
    let host = CommandHost { client };
    assert_eq!(listed(&host).await, [content::COURSE]);

    // Offline from here. Nothing is imported by the inspection.
    net.intercept(|_| Some(Answer::refused()));
    let path = files.path().join("My rivers.gift");
    fs::write(&path, QUESTIONS).expect("written");
    let inspected = inspect(&host, &path, "fr").await;
    let converted = &inspected["converted"];
    assert_eq!(
        (&inspected["refusal"], &inspected["needsConfirmation"]),
        (&Value::Null, &json!(false))
    );
    assert_eq!((&converted["format"], &converted["lang"]), (&json!("GIFT"), &json!("fr")));
    assert_eq!(converted["statesLanguage"], false);
    // Every question is accounted for.
    let others = converted["others"].as_array().expect("items");
    let levels: Vec<(&str, &str)> = others
        .iter()
        .map(|o| (o["title"].as_str().expect("a title"), o["level"].as_str().expect("a level")))
        .collect();
    assert_eq!(converted["exact"], 1);
    assert_eq!(levels, [("Delta", "changed"), ("Essay", "kept_as_text")]);
    assert!(others.iter().all(|o| !o["reasons"].as_array().expect("reasons").is_empty()));
    assert_eq!(listed(&host).await, [content::COURSE]);
    // The language is changed before the import.
    let inspected = inspect(&host, &path, "en").await;
    assert_eq!(inspected["converted"]["lang"], "en");
    let course = import(&host, &inspected).await;
    let id = course["id"].as_str().expect("an id").to_owned();
    assert!(id.starts_with("own-my-rivers-"), "{id}");
    assert!(!Path::new(inspected["converted"]["path"].as_str().expect("a path")).exists());
    assert!(path.exists(), "the learner's file stays");

    // It is studied offline.
    let outline = call(&host, "get_course", json!({ "course": id })).await.expect("the course");
    assert_eq!(
        (&outline["course"]["title"], &outline["course"]["lang"]),
        (&json!("My rivers"), &json!("en")),
        "{outline}"
    );
    let sections: Vec<&Value> = outline["lessons"]
        .as_array()
        .expect("lessons")
        .iter()
        .flat_map(|lesson| lesson["sections"].as_array().expect("sections"))
        .collect();
    let item = sections[0]["item"].clone();
    let step = json!({ "kind": "section", "item": item, "percent": 100, "done": true });
    call(&host, "record_progress", step).await.expect("recorded");

    // Online again: the progress is sent, no row is refused, and the refreshed list still has the course.
    net.stop_intercepting();
    account.network_changed();
    let status = sync(&account).await;
    assert_eq!((status.waiting, status.refused), (0, 0), "{status:?}");
    let user = host.client.account_info().expect("the account").user.id;
    let rows = server.rows(user).await;
    assert!(rows.keys().any(|key| key.key.contains(&id)), "the progress is on the server");
    clock.advance(3_600_000);
    account.content.library.refresh(Kind::Course).await.expect("refreshed");
    let courses = listed(&host).await;
    assert!(courses.len() == 2 && courses.contains(&id), "{courses:?}");

    // A newer file with the same name replaces the course; the progress stays.
    fs::write(
        &path,
        format!("{QUESTIONS}\n::Mouth::Where does it end? {{=at its mouth ~at its source}}\n"),
    )
    .expect("written");
    clock.advance(60_000);
    let inspected = inspect(&host, &path, "en").await;
    assert_eq!(inspected["courses"][0]["local"], "older");
    assert_eq!(import(&host, &inspected).await["imported"], true);
    let outline = call(&host, "get_course", json!({ "course": id })).await.expect("the course");
    assert!(outline["percent"].as_u64().is_some_and(|percent| percent > 0), "{outline}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_cannot_be_converted_changes_nothing() {
    let clock = FakeClock::noon();
    let (dir, files) = (scratch(), scratch());
    let net = Network::over(live_http());
    net.intercept(|_| Some(Answer::refused()));
    let client = client::open(dir.path(), net, &clock, 1, false).await;
    client.open_guest().await.expect("the guest account");
    let host = CommandHost { client };
    for (name, content) in [
        ("empty.gift", &b""[..]),
        ("broken.epub", b"PK\x03\x04 cut off"),
        ("broken.apkg", b"not a zip"),
        ("no questions.xml", b"<?xml version=\"1.0\"?><quiz></quiz>"),
        ("cut.xml", b"<?xml version=\"1.0\"?><quiz><question type=\"multichoice\"><name>"),
    ] {
        let path = files.path().join(name);
        fs::write(&path, content).expect("written");
        let error = call(&host, "inspect_file", json!({ "path": path, "lang": "en" }));
        let error = error.await.expect_err(name);
        assert_eq!(error["reason"], "not_converted", "{name}: {error}");
        // The code of the problem, which the app says in the learner's language.
        let code = error["subject"].as_str().expect("a code");
        assert!(
            !code.is_empty() && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'),
            "{name}: {code}"
        );
    }
    // A guest can add a file as well; an invalid language is refused.
    let path = files.path().join("rivers.gift");
    fs::write(&path, QUESTIONS).expect("written");
    let error = call(&host, "inspect_file", json!({ "path": path, "lang": "english" })).await;
    assert_eq!(error.expect_err("no language")["subject"], "bad-lang");
    assert!(listed(&host).await.is_empty());
    let inspected = inspect(&host, &path, "en").await;
    import(&host, &inspected).await;
    assert_eq!(listed(&host).await.len(), 1);
}

/// An Anki package with two words and the reviews of the first one.
fn anki_package(path: &Path) {
    let folder = scratch();
    let file = folder.path().join("collection.anki2");
    let conn = carrel_sqlite::open(&file, carrel_sqlite::Options::default()).expect("a database");
    let note_types = json!({ "1": { "id": 1, "name": "Basic", "type": 0,
        "tmpls": [{ "name": "Card 1", "ord": 0, "qfmt": "{{Front}}", "afmt": "{{FrontSide}}<hr>{{Back}}" }],
        "flds": [{ "name": "Front", "ord": 0 }, { "name": "Back", "ord": 1 }] } });
    let decks = json!({ "10": { "id": 10, "name": "Rivers" } });
    let tables = "CREATE TABLE col (id, crt, mod, scm, ver, dty, usn, ls, conf, models, decks, dconf, tags);
        CREATE TABLE notes (id integer primary key, guid, mid, mod, usn, tags, flds, sfld, csum, flags, data);
        CREATE TABLE cards (id integer primary key, nid, did, ord, mod, usn, type, queue, due, ivl, factor, reps,
            lapses, left, odue, odid, flags, data);
        CREATE TABLE revlog (id integer primary key, cid, usn, ease, ivl, lastIvl, factor, time, type);
        INSERT INTO notes VALUES (1, 'g1', 1, 0, 0, '', 'mto' || char(31) || 'river', '', 0, 0, ''),
            (2, 'g2', 1, 0, 0, '', 'ziwa' || char(31) || 'lake', '', 0, 0, '');
        INSERT INTO cards VALUES (1, 1, 10, 0,0,0,0,0,0,0,0,0,0,0,0,0,0,''), (2, 2, 10, 0,0,0,0,0,0,0,0,0,0,0,0,0,0,'');
        INSERT INTO revlog VALUES (1700000000000, 1, 0, 1, 1, 0, 2500, 4000, 0),
            (1700864000000, 1, 0, 3, 9, 1, 2500, 4000, 1), (1702864000000, 1, 0, 3, 30, 9, 2500, 4000, 1);";
    conn.execute_batch(tables).expect("the tables");
    conn.execute(
        "INSERT INTO col VALUES (1, 0, 0, 0, 11, 0, 0, 0, '{\"schedVer\": 2}', ?1, ?2, '{}', '{}')",
        [note_types.to_string(), decks.to_string()],
    )
    .expect("the collection");
    conn.pragma_update(None, "journal_mode", "DELETE").expect("one file");
    drop(conn);
    let mut zip = zip::ZipWriter::new(fs::File::create(path).expect("a file"));
    let options = zip::write::SimpleFileOptions::default();
    for (name, bytes) in
        [("collection.anki2", fs::read(&file).expect("the database")), ("media", b"{}".to_vec())]
    {
        zip.start_file(name, options).expect("an entry");
        std::io::Write::write_all(&mut zip, &bytes).expect("written");
    }
    zip.finish().expect("the package");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reviews_of_anki_are_taken_over_only_if_the_learner_wants_them_and_never_twice() {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let devices = two_devices(&server, &clock).await;
    let [laptop, tablet] = &devices.hosts;
    let files = scratch();
    let path = files.path().join("Rivers.apkg");
    anki_package(&path);
    let words = async |host: &CommandHost| -> Vec<Value> {
        let list = call(host, "list_words", json!({})).await.expect("the list");
        list["words"].as_array().expect("words").clone()
    };
    let inspect = async |reviews: bool| {
        let request = json!({ "path": path, "lang": "sw", "reviews": reviews });
        call(laptop, "inspect_file", request).await.expect("inspected")
    };

    let inspected = inspect(false).await;
    let converted = &inspected["converted"];
    assert_eq!((&converted["reviewCount"], &converted["hasReviews"]), (&json!(3), &json!(false)));
    assert_eq!(import(laptop, &inspected).await["reviews"], 0);
    assert!(words(laptop).await.is_empty(), "reviews are personal");

    // Wanted, not wanted after all, and wanted again: what is ticked last counts.
    inspect(true).await;
    let inspected = inspect(false).await;
    assert_eq!(import(laptop, &inspected).await["reviews"], 0);
    let inspected = inspect(true).await;
    assert_eq!(inspected["converted"]["hasReviews"], true);
    assert_eq!(import(laptop, &inspected).await["reviews"], 3);
    assert_eq!(import(laptop, &inspect(true).await).await["reviews"], 0, "a second time");
    let listed = words(laptop).await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["card"], "sw//mto");
    let card = call(laptop, "get_card", json!({ "card": "sw//mto" })).await.expect("the card");
    for host in [laptop, tablet] {
        sync(&host.client.account().expect("the account")).await;
    }
    let other = call(tablet, "get_card", json!({ "card": "sw//mto" })).await.expect("the card");
    assert_eq!((&card["reviews"], &other["dueDay"]), (&json!(3), &card["dueDay"]));
    assert_eq!(words(tablet).await.len(), 1);
}

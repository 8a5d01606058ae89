//! Dictionary packs on a device: installed from a file, used for words of a lesson, replaced, removed; and the words
//! that a learner adds, on another device without the pack.

use std::path::Path;

use carrel_commands::{api::error::CommandError, dispatch};
use carrel_dictionary::{Facts, build, source::read_list_text};
use carrel_model::Slug;
use carrel_testkit::{Answer, FakeClock, TestServer, content, scratch::scratch};
use ed25519_dalek::SigningKey;
use serde_json::{Value, json};

use crate::client::{self, CommandHost, live_http, sync, two_devices};

const WORDS: &str =
    "river\tnoun\ta large stream\trivers\nmeander\tnoun\ta bend of the dictionary\tmeanders\n";

/// Writes a pack signed with the key `n`.
fn pack(file: &Path, n: u8, words: &str) {
    let facts = Facts {
        id: Slug::new("english").expect("an id"),
        name: "English".into(),
        lang: "en".into(),
        gloss_lang: "en".into(),
        license: "CC-BY-4.0".into(),
        source: "the school".into(),
        made_ms: 1_790_000_000_000,
        skips_bad_lines: false,
    };
    build(read_list_text(words), &facts, &SigningKey::from_bytes(&[n; 32]), file).expect("a pack");
}
async fn run(host: &CommandHost, name: &str, request: Value) -> Value {
    dispatch(host, name, request).await.unwrap_or_else(|e| panic!("{name}: {e:?}"))
}
async fn refused(host: &CommandHost, name: &str, request: Value) -> CommandError {
    match dispatch(host, name, request).await {
        Ok(reply) => panic!("{name}: {reply}"),
        Err(e) => e,
    }
}
async fn look_up(host: &CommandHost, text: &str, word: &str) -> Value {
    let at = text.find(word).expect("the word in the text") + 1;
    let item = content::sections()[0].to_string();
    let request = json!({ "item": item, "lang": "en", "text": text, "at": at });
    run(host, "look_up_word", request).await
}
async fn names(host: &CommandHost) -> Vec<String> {
    let list = run(host, "list_dictionaries", json!({})).await;
    let all = list["dictionaries"].as_array().expect("a list").iter();
    all.map(|d| format!("{} {}", d["id"].as_str().expect("an id"), d["entries"])).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pack_is_installed_and_its_words_are_added_and_synced() {
    let clock = FakeClock::noon();
    let server = TestServer::with_library(&clock).await;
    let devices = two_devices(&server, &clock).await;
    let [laptop, tablet] = &devices.hosts;
    let nets = &devices.nets;
    let meander = format!("{}/meander", content::COURSE);
    // The course and its vocabulary are on the laptop; from here on it has no network.
    run(laptop, "get_word", json!({ "item": meander })).await;
    nets[0].intercept(|_| Some(Answer::refused()));

    let files = scratch();
    let file = files.path().join("english.carrel");
    pack(&file, 9, WORDS);
    let path = file.to_str().expect("a path");
    let inspected = run(laptop, "inspect_file", json!({ "path": path })).await;
    assert_eq!(inspected["kind"], "dictionary");
    assert_eq!(
        (&inspected["needsConfirmation"], &inspected["replaces"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(inspected["dictionary"]["license"], "CC-BY-4.0");
    let error = refused(laptop, "import_dictionary", json!({ "path": path })).await;
    assert_eq!(error.reason.as_deref(), Some("not_accepted"));
    assert!(names(laptop).await.is_empty());
    let accept = json!({ "path": path, "accept": inspected["fingerprint"] });
    run(laptop, "import_dictionary", accept).await;
    assert_eq!(names(laptop).await, ["english 2"]);

    // The meaning of the course first, then that of the pack; by a form of which only the pack knows.
    let text = "Two meanders of the rivers, and \u{1F600} xyz.";
    let found = look_up(laptop, text, "meanders").await;
    assert_eq!((&found["word"]["form"], &found["word"]["start"]), (&json!("meanders"), &json!(4)));
    let entries = found["word"]["entries"].as_array().expect("entries");
    let told: Vec<_> = entries.iter().map(|e| (&e["found"], &e["item"], &e["card"])).collect();
    let own = &entries[1]["item"];
    assert!(own.as_str().expect("an item").starts_with("own-words/"), "{own}");
    assert_eq!(
        told,
        [
            (&json!("form"), &json!(meander), &json!("en//meander")),
            (&json!("form"), own, &json!("en//meander")),
        ]
    );
    assert_eq!(entries[1]["dictionary"], json!({ "name": "English", "license": "CC-BY-4.0" }));
    // Places are UTF-16 code units.
    let at = json!({ "lang": "en", "text": text, "at": text.encode_utf16().count() - 3 });
    let unknown = run(laptop, "look_up_word", at).await;
    assert_eq!((&unknown["word"]["form"], &unknown["word"]["start"]), (&json!("xyz"), &json!(35)));
    assert_eq!(unknown["word"]["entries"][0]["found"], "nothing");
    assert_eq!(unknown["hasDictionary"], true);
    let typed = run(laptop, "look_up_word", json!({ "lang": "en-GB", "text": "Rivers" })).await;
    let river = &typed["word"]["entries"][0];
    assert_eq!((&river["found"], &river["entry"]["word"]), (&json!("form"), &json!("river")));

    let source = content::sections()[0].to_string();
    let add = |entry: &Value, sentence: &str| {
        json!({
            "item": entry["item"], "card": entry["card"], "lang": "en", "word": entry["entry"]["word"],
            "form": entry["form"], "partOfSpeech": "noun", "pronunciation": "",
            "meaning": entry["entry"]["meaning"], "meaningLang": "en", "sentence": sentence,
            "source": source, "dictionary": "English",
        })
    };
    let marks = run(laptop, "add_word", add(river, "The rivers meet.")).await;
    assert_eq!(marks, json!({ "saved": true, "known": false, "ignored": false }));
    run(laptop, "add_word", add(&entries[0], "Two meanders.")).await;
    run(laptop, "add_word", add(&entries[0], "Two meanders.")).await;
    let mut wrong = add(river, "");
    wrong["lang"] = json!("fr");
    assert_eq!(json!(refused(laptop, "add_word", wrong).await.code), "invalid_request");
    let again = look_up(laptop, text, "meanders").await;
    assert!(
        again["word"]["entries"].as_array().expect("entries").iter().all(|e| e["saved"] == true)
    );

    // Known and ignored, also for words that are not on the list.
    let ignored = run(laptop, "mark_word", json!({ "card": "en//xyz", "ignored": true })).await;
    assert_eq!(ignored, json!({ "saved": false, "known": false, "ignored": true }));

    // On the tablet, which has no pack: word, meaning, sentence, source, marks.
    nets[0].stop_intercepting();
    for host in [laptop, tablet] {
        sync(&host.client.account().expect("the account")).await;
    }
    assert!(names(tablet).await.is_empty());
    let list = run(tablet, "list_words", json!({})).await;
    let words = list["words"].as_array().expect("words");
    assert_eq!(words.len(), 2, "{words:?}");
    let river = words.iter().find(|w| w["card"] == "en//river").expect("the river");
    assert_eq!(river["word"]["entry"]["meaning"], "a large stream");
    assert_eq!(
        river["word"]["foundIn"],
        json!({ "sentence": "The rivers meet.", "form": "Rivers", "source": source, "dictionary": "English" })
    );
    let text = "xyz or river";
    let unknown = look_up(tablet, text, "xyz").await;
    assert_eq!(unknown["word"]["entries"][0]["ignored"], true);
    assert_eq!(unknown["hasDictionary"], false);
    let saved = look_up(tablet, text, "river").await;
    assert_eq!(saved["word"]["entries"][0]["saved"], true);
    // Removed on the tablet by its card.
    let removed = run(tablet, "mark_word", json!({ "card": "en//river", "saved": false })).await;
    assert_eq!(removed["saved"], false);
    assert_eq!(
        run(tablet, "list_words", json!({})).await["words"].as_array().map(Vec::len),
        Some(1)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pack_is_replaced_only_by_its_signer_and_survives_a_restart() {
    let clock = FakeClock::noon();
    let dir = scratch();
    let client = client::open(dir.path(), live_http(), &clock, 1, false).await;
    client.open_guest().await.expect("open without an account");
    let host = CommandHost { client };
    let files = scratch();
    let file = |name: &str| files.path().join(name);
    let import = async |host: &CommandHost, name: &str| {
        let path = files.path().join(name);
        let path = path.to_str().expect("a path");
        let inspected = run(host, "inspect_file", json!({ "path": path })).await;
        let request = json!({ "path": path, "accept": inspected["fingerprint"] });
        dispatch(host, "import_dictionary", request).await
    };
    pack(&file("first"), 9, WORDS);
    pack(&file("newer"), 9, "river\tnoun\ta stream\n");
    pack(&file("other"), 8, "river\tnoun\tnot a stream\n");
    let mut damaged = std::fs::read(file("first")).expect("the pack");
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    std::fs::write(file("damaged"), damaged).expect("written");

    let error = import(&host, "damaged").await.expect_err("damaged");
    assert_eq!(error.reason.as_deref(), Some("blob_damaged"));
    assert!(names(&host).await.is_empty());
    import(&host, "first").await.expect("installed");
    let error = import(&host, "other").await.expect_err("another signer");
    assert_eq!(error.reason.as_deref(), Some("wrong_key"));
    assert_eq!(names(&host).await, ["english 2"]);
    // A pack of a known signer needs no confirmation.
    let path = file("newer");
    let inspected = run(&host, "inspect_file", json!({ "path": path })).await;
    assert_eq!(
        (&inspected["needsConfirmation"], &inspected["replaces"]),
        (&json!(false), &json!(true))
    );
    run(&host, "import_dictionary", json!({ "path": path })).await;
    assert_eq!(names(&host).await, ["english 1"]);
    let folder = host.client.config().data_dir.join("dictionaries");
    let count = || std::fs::read_dir(&folder).expect("the folder").count();
    assert_eq!(count(), 2, "the database and its header; the replaced database is deleted");

    host.client.close().await;
    drop(host);
    // What an interrupted installation leaves behind.
    std::fs::write(folder.join("left.part"), "x").expect("written");
    std::fs::write(folder.join("left.sqlite"), "x").expect("written");
    std::fs::write(folder.join("left.json"), "{}").expect("written");
    let client = client::open(dir.path(), live_http(), &clock, 1, false).await;
    let host = CommandHost { client };
    assert_eq!(names(&host).await, ["english 1"], "a header that cannot be read is left out");
    let removed = run(&host, "remove_dictionary", json!({ "id": "english" })).await;
    assert_eq!(removed["dictionaries"], json!([]));
    let left: Vec<_> = std::fs::read_dir(&folder)
        .expect("the folder")
        .map(|f| f.expect("a file").file_name().into_string().expect("Unicode"))
        .collect();
    assert_eq!(left, ["left.json"]);
}

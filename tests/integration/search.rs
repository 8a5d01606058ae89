//! Search in twenty scripts: the server and a device with the same content find the same, in the same order.

use std::{collections::BTreeSet, fs, path::Path};

use carrel_commands::dispatch;
use carrel_content::{Kind, download::Phase};
use carrel_model::wire::SearchKind;
use carrel_testkit::{Answer, FakeClock, Network, TestServer, device::PASSWORD, scratch::scratch};
use serde_json::json;

use crate::client::{self, ALL, CommandHost, live_http, wait_until};

/// Courses with one section: id, language, text.
const TEXTS: [(&str, &str, &str); 27] = [
    ("am", "am", "ወንዙ ወደ ባህር ይፈስሳል። ሰላም ለዓለም።"),
    ("ar", "ar", "كَتَبَ الوَلَدُ دَرْسًا فِي المَدْرَسَةِ. أَكَلَت القِطَّةُ السَّمَكَة. إلى الأمام"),
    ("ar-two", "ar", "ذهب إلى مدرسة كبيرة ألوان جميلة"),
    ("bn", "bn", "নদী সাগরে মেশে। বাংলা বই। বড় গাছ।"),
    ("de", "de", "Die Straße am Fluß. Über die Brücke."),
    ("el", "el", "Ο ΔΡΟΜΟΣ και ο δρόμος. Ποταμός."),
    ("en", "en", "An ox-bow lake. Don't cross; e-mail us. A naïve café."),
    ("en-two", "en", "The oxbow of the river in the valley. iPhone手机 works."),
    ("fa", "fa", "کتاب‌های فارسی می‌خوانم."),
    ("fr", "fr", "L’eau de l’école. Un cœur."),
    ("he", "he", "שָׁלוֹם יְלָדִים, זֶה סֵפֶר. צה״ל"),
    ("hi", "hi", "नदी पहाड़ से निकलती है। हिन्दी किताब। ज़मीन"),
    ("hy", "hy", "Գետը հոսում է. Եվ և ԾՈՎ"),
    ("ja", "ja", "カフェで川を見る。東京タワー。ｶﾞｽ"),
    ("ka", "ka", "მდინარე ზღვაში ჩადის"),
    ("km", "km", "ត្រីហែលក្នុងទន្លេមេគង្គរាល់ថ្ងៃ"),
    ("ko", "ko", "강물이 바다로 흐른다. 학교에서 한글을 배운다."),
    ("lo", "lo", "ປາລອຍຢູ່ໃນແມ່ນ້ຳຂອງທຸກມື້"),
    ("my", "my", "ငါးများသည်ဧရာဝတီမြစ်ထဲတွင်ကူးခတ်သည်"),
    ("ru", "ru", "Ёлка у реки. Мой дом. Молоко́."),
    ("ta", "ta", "ஆறு கடலில் சேர்கிறது. தமிழ் புத்தகம்."),
    ("th", "th", "ปลาว่ายในแม่น้ำโขงทุกวัน"),
    ("tr", "tr", "İstanbul ve IRMAK. Işık ve ılık su."),
    ("vi", "vi", "Dòng sông Cửu Long đổ ra biển. Đường đi."),
    ("yo", "yo", "Odò ńlá kan wà ní Ìbàdàn. Ọmọdé náà ń ṣeré."),
    ("zh", "zh", "DNA是生命的密码。河流入海。第3章"),
    ("zh-two", "zh-Hant", "河邊的學校"),
];

/// Queries, and the courses in whose section they are found.
const QUERIES: &[(&str, &str)] = &[
    ("ወንዙ", "am"),
    ("ባህር", "am"),
    ("ባሕር", "am"),
    ("ሠላም", "am"),
    ("ዐለም", ""),
    ("المدرسة", "ar ar-two"),
    ("مدرسة", "ar ar-two"),
    ("مدرسه", "ar ar-two"),
    ("المَدْرَسَة", "ar ar-two"),
    ("كتب", "ar"),
    ("قطة", "ar"),
    ("السمكة", "ar"),
    ("الولد درسا", "ar"),
    ("الي", "ar ar-two"),
    ("ألوان", "ar-two"),
    ("الوان", "ar-two"),
    ("المد", "ar ar-two"),
    ("قلم", ""),
    ("নদী", "bn"),
    ("বাংলা", "bn"),
    ("বড়", "bn"),
    ("বড\u{9BC}", "bn"),
    ("সাগর", "bn"),
    ("Straße", "de"),
    ("strasse", "de"),
    ("STRASSE", "de"),
    ("fluss", "de"),
    ("Fluß", "de"),
    ("uber", "de"),
    ("U\u{308}ber", "de"),
    ("bruck", "de"),
    ("ruck", ""),
    ("δρόμος", "el"),
    ("δρομοσ", "el"),
    ("ΔΡΌΜΟΣ", "el"),
    ("ποταμος", "el"),
    ("ποτ", "el"),
    ("ox-bow", "en en-two"),
    ("oxbow", "en en-two"),
    ("ox‑bow", "en en-two"),
    ("ox\u{200B}bow", "en en-two"),
    ("don’t", "en"),
    ("dont", "en"),
    ("email", "en"),
    ("E-MAIL", "en"),
    ("naive cafe", "en"),
    ("cafe\u{301}", "en"),
    ("river valley", "en-two"),
    ("valley river", "en-two"),
    ("rive", "en-two"),
    ("rive valley", ""),
    ("iphone", "en-two"),
    ("手机", "en-two"),
    ("iPhone手机", "en-two"),
    ("ｉＰｈｏｎｅ", "en-two"),
    ("手", "en-two"),
    ("کتاب", "fa"),
    ("كتاب", "fa"),
    ("کتاب‌های", "fa"),
    ("کتابهای", "fa"),
    ("میخوانم", "fa"),
    ("می خوانم", "fa"),
    ("eau", "fr"),
    ("l'eau", "fr"),
    ("ecole", "fr"),
    ("ÉCOLE", "fr"),
    ("coeur", "fr"),
    ("cœur", "fr"),
    ("שלום", "he"),
    ("שָׁלוֹם", "he"),
    ("ילדים ספר", "he"),
    ("צהל", "he"),
    ("צה\"ל", "he"),
    ("नदी", "hi"),
    ("हिंदी", "hi"),
    ("हिन्दी", "hi"),
    ("पहाड", "hi"),
    ("पहाड़", "hi"),
    ("जमीन", "hi"),
    ("हिन्\u{200D}दी", "hi"),
    ("գետը", "hy"),
    ("եւ", "hy"),
    ("ծով", "hy"),
    ("かふぇ", "ja"),
    ("カフェ", "ja"),
    ("ｶﾌｪ", "ja"),
    ("川", "ja"),
    ("タワー", "ja"),
    ("ガス", "ja"),
    ("京都", ""),
    ("მდინარე", "ka"),
    ("ᲛᲓᲘᲜᲐᲠᲔ", "ka"),
    ("ទន្លេ", "km"),
    ("មេគង្គ", "km"),
    ("ទន្លេ\u{200B}មេគង្គ", "km"),
    ("학교", "ko"),
    ("\u{1112}\u{1161}\u{11A8}\u{1100}\u{116D}", "ko"),
    ("한글", "ko"),
    ("ແມ່ນ້ຳ", "lo"),
    ("ແມ່ນ\u{EC9}\u{ECD}າ", "lo"),
    ("မြစ်", "my"),
    ("ဧရာဝတီ", "my"),
    ("елка", "ru"),
    ("ЁЛКА", "ru"),
    ("мои", ""),
    ("молоко", "ru"),
    ("தமிழ்", "ta"),
    ("ஆறு", "ta"),
    ("แม่น้ำ", "th"),
    ("เเม่น\u{E4D}\u{E49}า", "th"),
    ("โขง", "th"),
    ("istanbul", "tr"),
    ("ISTANBUL", "tr"),
    ("ilik ırmak", "tr"),
    ("duong", "vi"),
    ("sông cửu", "vi"),
    // Words with a conjunction or a particle.
    ("والمدرسة", "ar ar-two"),
    ("وألوان", "ar-two"),
    ("بالمدرسة", "ar ar-two"),
    ("والسمكة", "ar"),
    // Single characters and numbers.
    ("河", "zh zh-two"),
    ("校", "zh-two"),
    ("学", ""),
    ("3", "zh"),
    ("第３章", "zh"),
    ("ท", "th"),
    // Syntax of the index, and punctuation.
    ("river*", "en-two"),
    ("\"river\" + -valley", "en-two"),
    ("^river", "en-two"),
    ("title:river", ""),
    ("river OR nothing", ""),
    ("NEAR(river valley)", ""),
    ("¿river?", "en-two"),
    ("e mail", "en"),
    ("DON'T", "en"),
    ("Fluß!", "de"),
];

fn write_course(dir: &Path, (id, lang, text): (&str, &str, &str)) {
    let dir = dir.join(id);
    fs::create_dir_all(&dir).expect("a folder");
    let section = json!({ "id": "read", "type": "TEXT", "title": "T", "file": "a.md" });
    let course = json!({
        "format": "carrel-course/1", "id": format!("s-{id}"), "title": "T", "lang": lang, "difficulty": "BEGINNER",
        "license": "CC0-1.0", "lessons": [{ "id": "one", "title": "One", "sections": [section] }]
    });
    fs::write(dir.join("course.json"), course.to_string()).expect("written");
    fs::write(dir.join("a.md"), format!("# T\n\n{text}\n")).expect("written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_and_device_find_the_same_in_twenty_scripts() {
    let clock = FakeClock::noon();
    let server = TestServer::empty(&clock).await;
    let packages = scratch();
    for text in TEXTS {
        write_course(packages.path(), text);
    }
    let mut folders: Vec<_> = TEXTS.iter().map(|(id, ..)| packages.path().join(id)).collect();
    folders.sort();
    server.import(&folders).await;
    let dir = scratch();
    let client = client::open(dir.path(), live_http(), &clock, 1, false).await;
    client.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    let account = client.account().expect("the account");
    account.content.library.courses(&ALL).await.expect("the list of courses");
    for (id, ..) in TEXTS {
        let course = format!("s-{id}").parse().expect("an id");
        account.content.downloads.start(Kind::Course, &course).expect("a download");
        wait_until(&client, "the download", || async {
            let state = account.content.downloads.state(Kind::Course, &course).expect("its state");
            (state.phase == Phase::Ready).then_some(())
        })
        .await;
    }
    let store = &server.running().data().store;
    let mut wrong = Vec::new();
    for (q, expected) in QUERIES.iter().copied() {
        let found =
            store.search(q, carrel_server::store::Audience::All, 0, 200).await.expect("found");
        let on_server: Vec<String> = found.items.iter().map(|hit| hit.item.to_string()).collect();
        let local = account.content.library.search(q, 0, 200).expect("found");
        let on_device: Vec<String> = local.hits.iter().map(|hit| hit.item.to_string()).collect();
        assert_eq!(on_server, on_device, "{q}");
        assert_eq!(
            (found.total, local.total),
            (on_server.len() as u64, on_device.len() as u64),
            "{q}"
        );
        let sections = found.items.iter().filter(|hit| hit.kind == SearchKind::Section);
        let mut courses: Vec<String> = sections
            .filter_map(|hit| {
                Some(hit.item.as_str().strip_prefix("s-")?.split('/').next()?.to_owned())
            })
            .collect();
        courses.sort();
        if courses.join(" ") != expected {
            wrong.push(format!("{q}: {courses:?}, not {expected:?}"));
        }
        // Each match is marked in the original text.
        for hit in &local.hits {
            assert!(
                hit.snippet.contains('\u{2}') && hit.snippet.contains('\u{3}'),
                "{q}: {}",
                hit.snippet
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // All courses have this title; the sections too. Pages do not overlap, and the total is that of all pages.
    let mut seen = Vec::new();
    for page in 0..6 {
        let found = account.content.library.search("t", page * 10, 10).expect("found");
        assert_eq!(found.total, 54, "page {page}");
        seen.extend(found.hits.into_iter().map(|hit| hit.item.to_string()));
    }
    let on_server =
        store.search("t", carrel_server::store::Audience::All, 0, 200).await.expect("found");
    assert_eq!(seen, on_server.items.iter().map(|hit| hit.item.to_string()).collect::<Vec<_>>());
    client.close().await;
}

/// Writes a course with one section: id, language, difficulty, hours.
fn write_filtered(dir: &Path, (id, lang, difficulty, hours): (&str, &str, &str, f64)) {
    let dir = dir.join(id);
    fs::create_dir_all(&dir).expect("a folder");
    let section = json!({ "id": "read", "type": "TEXT", "title": "Read", "file": "a.md" });
    let course = json!({
        "format": "carrel-course/1", "id": id, "title": format!("Delta {id}"), "lang": lang, "license": "CC0-1.0",
        "difficulty": difficulty, "hours": hours, "category": format!("about {id}"),
        "lessons": [{ "id": "one", "title": "One", "sections": [section] }]
    });
    fs::write(dir.join("course.json"), course.to_string()).expect("written");
    fs::write(dir.join("a.md"), "# Read\n\nA heron stands in the delta.\n").expect("written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_are_filtered_recent_ones_come_first_and_the_server_finds_the_rest() {
    let clock = FakeClock::noon();
    let server = TestServer::empty(&clock).await;
    let packages = scratch();
    let courses = [
        ("aa", "en", "BEGINNER", 1.0),
        ("bb", "fr", "ADVANCED", 8.0),
        ("cc", "en", "BEGINNER", 12.5),
    ];
    courses.iter().for_each(|course| write_filtered(packages.path(), *course));
    let folders: Vec<_> = courses.iter().map(|(id, ..)| packages.path().join(id)).collect();
    server.import(&folders).await;
    let dir = scratch();
    let network = Network::over(live_http());
    let client = client::open(dir.path(), network.clone(), &clock, 1, false).await;
    client.register(&server.url(), "asha", "Asha", PASSWORD).await.expect("an account");
    let host = CommandHost { client };
    let account = host.client.account().expect("the account");
    account.content.library.courses(&ALL).await.expect("the list of courses");
    let downloaded = "aa".parse().expect("an id");
    account.content.downloads.start(Kind::Course, &downloaded).expect("a download");
    // The text is indexed after the download is ready.
    wait_until(&host.client, "the text of the download", || async {
        let found = account.content.library.search("heron", 0, 1).expect("found");
        (found.total > 0).then_some(())
    })
    .await;
    let search = async |command: &str, request: serde_json::Value| {
        let reply = dispatch(&host, command, request).await.expect("results");
        let item = |hit: &serde_json::Value| hit["item"].as_str().expect("an item").to_owned();
        let items: Vec<String> = reply["hits"].as_array().expect("hits").iter().map(item).collect();
        (items.join(" "), reply["total"].as_u64().expect("a total"))
    };
    let local = async |more: serde_json::Value| {
        let mut request = json!({ "q": "delta" });
        let fields = request.as_object_mut().expect("an object");
        fields.extend(more.as_object().expect("an object").clone());
        search("search", request).await.0
    };
    assert_eq!(local(json!({})).await, "aa bb cc aa/one/read");
    assert_eq!(local(json!({ "difficulty": "BEGINNER" })).await, "aa cc aa/one/read");
    assert_eq!(local(json!({ "lang": "fr" })).await, "bb");
    assert_eq!(local(json!({ "category": "about cc" })).await, "cc");
    assert_eq!(local(json!({ "maxHours": 8 })).await, "aa bb aa/one/read");
    assert_eq!(local(json!({ "maxHours": 12 })).await, "aa bb aa/one/read");
    assert_eq!(local(json!({ "onDevice": true })).await, "aa aa/one/read");
    assert_eq!(local(json!({ "finished": true })).await, "");
    assert_eq!(
        local(json!({ "lang": "en", "maxHours": 20, "finished": false })).await,
        "aa cc aa/one/read"
    );
    assert_eq!(local(json!({ "pageSize": 1, "page": 2 })).await, "bb");
    assert_eq!(local(json!({ "lang": "en", "pageSize": 2, "page": 2 })).await, "aa/one/read");
    assert_eq!(search("search", json!({ "q": "delta", "lang": "en", "pageSize": 1 })).await.1, 3);

    // The server finds the text of courses that are not on this device.
    let heron = json!({ "q": "heron" });
    assert_eq!(search("search", heron.clone()).await.0, "aa/one/read");
    let on_server = search("search_server", heron.clone()).await.0;
    assert_eq!(
        on_server.split(' ').collect::<BTreeSet<_>>(),
        BTreeSet::from(["bb/one/read", "cc/one/read"])
    );
    let filtered = json!({ "q": "heron", "lang": "fr" });
    assert_eq!(search("search_server", filtered).await.0, "bb/one/read");
    assert_eq!(search("search_server", json!({ "q": " " })).await, (String::new(), 0));

    let finish = async |item: &str| {
        let step =
            json!({ "kind": "section", "item": item, "done": true, "restart": false, "pos": "b1" });
        dispatch(&host, "record_progress", step).await.expect("recorded");
    };
    finish("cc/one/read").await;
    clock.advance(1_000);
    assert_eq!(local(json!({})).await, "cc aa bb aa/one/read");
    finish("bb/one/read").await;
    assert_eq!(local(json!({})).await, "bb cc aa aa/one/read");
    assert_eq!(local(json!({ "finished": true })).await, "bb cc");
    assert_eq!(local(json!({ "finished": false })).await, "aa aa/one/read");
    network.intercept(|_| Some(Answer::refused()));
    assert_eq!(local(json!({})).await, "bb cc aa aa/one/read");
    let other = json!({ "q": "stands" });
    assert!(dispatch(&host, "search_server", other).await.is_err(), "without a network");
    host.client.close().await;
}

//! Lists of stories: one entry for all languages of a story, languages of the learner.

use carrel_content::library::Filter;
use carrel_model::{content::Cover, wire::StorySummary};
use carrel_system::Clock;

use crate::{client::TestClient, fake_server::FakeServer};

/// Id, language and family of each listed story, in the order of the catalogue.
const STORIES: [(&str, &str, &str); 8] = [
    ("tall-en", "en", "tall"),
    ("alone", "en", ""),
    ("tall-fr", "fr", "tall"),
    ("goat-sw", "sw", "goat"),
    ("tall-pt", "pt-BR", "tall"),
    ("goat-fr", "fr", "goat"),
    ("also-alone", "fr", ""),
    ("goat-ar", "ar", "goat"),
];

fn client_with_stories() -> TestClient {
    let client = TestClient::new(&FakeServer::new());
    let now_ms = client.clock.now_ms();
    let listed = client.content.library.cache().database().write_blocking("test", |conn| {
        for (n, (id, lang, family)) in STORIES.iter().enumerate() {
            let mut summary = serde_json::json!({
                "id": id, "title": id, "lang": lang, "level": 1, "license": "CC0-1.0", "pageCount": 1,
                "narrated": false, "totalBytes": 1, "cover": Cover::from_title("x"),
                "version": carrel_model::BlobHash([1; 32]),
            });
            if !family.is_empty() {
                summary["family"] = (*family).into();
            }
            conn.execute(
                "INSERT INTO listed
                 (kind, id, position, title, difficulty, level, category, lang, summary, only_here, grouped_by)
                 VALUES ('story', ?1, ?2, ?1, '', 1, '', ?3, ?4, 0, ?5)",
                (
                    id,
                    n as i64,
                    lang,
                    summary.to_string(),
                    if family.is_empty() { format!("i:{id}") } else { format!("f:{family}") },
                ),
            )?;
        }
        conn.execute(
            "INSERT INTO listed_state (kind, as_of_ms, digest) VALUES ('story', ?1, x'00')",
            [now_ms],
        )?;
        Ok(())
    });
    listed.expect("the stories are listed");
    client
}

async fn ids(client: &TestClient, filter: Filter) -> (Vec<String>, u64) {
    let listed = client.content.library.stories(&filter).await.expect("the list").value;
    let id = |story: &StorySummary| story.meta.id.to_string();
    (listed.items.iter().map(id).collect(), listed.total)
}
fn langs(langs: &[&str]) -> Vec<String> {
    langs.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_grouped_list_has_one_entry_for_all_languages_of_a_story() {
    let client = client_with_stories();
    let grouped = Filter { grouped: true, limit: 50, ..Filter::default() };
    let listed = client.content.library.stories(&grouped).await.expect("the list").value;
    assert_eq!(
        ids(&client, grouped.clone()).await,
        (["tall-en", "alone", "goat-sw", "also-alone"].map(String::from).to_vec(), 4)
    );
    assert_eq!(listed.families["tall"], ["en", "fr", "pt-BR"]);
    assert_eq!(listed.families["goat"], ["ar", "fr", "sw"]);
    assert_eq!(listed.languages, ["ar", "en", "fr", "pt-BR", "sw"]);
    // Pages of the groups.
    let second = Filter { offset: 1, limit: 2, ..grouped.clone() };
    assert_eq!(ids(&client, second).await, (["alone", "goat-sw"].map(String::from).to_vec(), 4));
    // The whole list.
    let all = Filter { limit: 50, ..Filter::default() };
    assert_eq!(ids(&client, all).await.1, 8);
    let family = Filter { family: Some("goat".into()), limit: 50, ..Filter::default() };
    assert_eq!(
        ids(&client, family).await,
        (["goat-sw", "goat-fr", "goat-ar"].map(String::from).to_vec(), 3)
    );
}

#[tokio::test]
async fn languages_of_the_learner_limit_the_list_in_their_order() {
    let client = client_with_stories();
    let filter = |tags: &[&str], grouped: bool| Filter {
        langs: langs(tags),
        grouped,
        limit: 50,
        ..Filter::default()
    };
    for (tags, grouped, expected) in [
        (&["fr"][..], false, &["tall-fr", "goat-fr", "also-alone"][..]),
        (&["fr", "en"], true, &["tall-fr", "alone", "goat-fr", "also-alone"]),
        (&["en", "fr"], true, &["tall-en", "alone", "goat-fr", "also-alone"]),
        // Tags are compared canonically. A part that one of them leaves out is not compared.
        (&["pt"], true, &["tall-pt"]),
        (&["PT_br"], true, &["tall-pt"]),
        (&["por"], true, &["tall-pt"]),
        (&["pt-PT"], true, &[]),
        (&["en-GB"], true, &["tall-en", "alone"]),
        (&["eng"], true, &["tall-en", "alone"]),
        (&["swa", "fra"], true, &["tall-fr", "goat-sw", "also-alone"]),
        (&["swh-KE"], false, &["goat-sw"]),
        (&["arb"], false, &["goat-ar"]),
        (&["FR-Latn-x-test", "AR"], true, &["tall-fr", "goat-fr", "also-alone"]),
        (&["", "sw"], false, &["goat-sw"]),
        (&[""], false, &[]),
        (&["zz"], true, &[]),
        // Not a tag: matches nothing, and is no SQL.
        (&["' OR 1 = 1 --"], true, &[]),
    ] {
        let (found, total) = ids(&client, filter(tags, grouped)).await;
        assert_eq!(found, expected, "{tags:?}");
        assert_eq!(total, expected.len() as u64, "{tags:?}");
        // One language as a filter accepts the same.
        if let ([tag], false) = (tags, grouped) {
            let one = Filter { lang: Some((*tag).to_owned()), limit: 50, ..Filter::default() };
            assert_eq!(ids(&client, one).await.0, expected, "{tag}");
        }
    }
}

/// Lists do not read the summaries of entries outside the page.
#[tokio::test]
async fn lists_use_their_indexes() {
    let client = client_with_stories();
    let plan = |sql: &str| {
        let read = client.content.library.cache().database().read_blocking(|conn| {
            let mut stmt = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
            let lines = stmt.query_map([], |r| r.get::<_, String>("detail"))?;
            Ok(lines.collect::<carrel_sqlite::rusqlite::Result<Vec<_>>>()?)
        });
        read.expect("a plan").join("\n")
    };
    for sql in [
        "SELECT DISTINCT lang FROM listed WHERE kind = 'story' AND lang <> '' ORDER BY 1",
        "SELECT DISTINCT category FROM listed WHERE kind = 'story' AND category <> '' ORDER BY 1",
        "SELECT DISTINCT lang FROM listed WHERE kind = 'story' AND grouped_by = 'f:tall' ORDER BY 1",
        "SELECT count(DISTINCT grouped_by) FROM listed WHERE kind = 'story' AND level = 2",
        "SELECT min(position), min(CASE lang WHEN 'en' THEN 1 END * 10 + position) FROM listed
         WHERE kind = 'story' AND level = 2 AND category = 'x' AND lang IN ('en') GROUP BY grouped_by",
    ] {
        let plan = plan(sql);
        assert!(plan.contains("COVERING INDEX"), "{sql}: {plan}");
    }
}

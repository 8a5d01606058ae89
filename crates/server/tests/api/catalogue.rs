//! The catalogue: lists, filters, search, ETags.

use axum::{body::Body, http::Request};
use carrel_model::{
    content::{SignedManifest, Story},
    wire::{CourseReply, CourseSummary, ListPage, Meta, SearchHit, SearchKind},
};

use super::support::{Reply, TestServer};

async fn if_none_match(server: &TestServer, uri: &str, tag: &str) -> Reply {
    let request = Request::get(uri).header("if-none-match", tag).body(Body::empty()).unwrap();
    server.send(request).await
}

#[tokio::test]
async fn a_published_course_is_listed_and_its_manifest_is_valid() {
    let server = TestServer::new();
    let before = server.get("/api/courses", "").await;
    assert_eq!(before.ok::<ListPage<CourseSummary>>().total, 0);
    server.publish().await;
    let meta: Meta = server.get("/api/meta", "").await.ok();
    let list: ListPage<CourseSummary> = server.get("/api/courses", "").await.ok();
    assert_eq!((list.total, list.page, list.page_size, list.items.len()), (1, 1, 50, 1));
    let course: CourseReply = server.get("/api/courses/how-rivers-work", "").await.ok();
    assert_eq!(course.summary, list.items[0]);
    assert_eq!(course.outline.lessons[0].sections.len(), 2);
    let signed: SignedManifest = server.get("/api/courses/how-rivers-work/manifest", "").await.ok();
    assert_eq!(signed.version(), course.summary.version);
    let manifest = signed.verify(Some(&meta.signing_key)).unwrap();
    for blob in &manifest.blobs {
        let reply = server.get(&format!("/api/blobs/{}", blob.hash), "").await;
        assert_eq!(reply.body.len() as u64, blob.size);
        assert_eq!(carrel_model::BlobHash::of(&reply.body), blob.hash);
    }
    // The ETag of the list before the import no longer matches.
    let stale = if_none_match(&server, "/api/courses", before.header("etag")).await;
    assert_eq!(stale.status.as_u16(), 200);
}

#[tokio::test]
async fn filters_and_search() {
    let server = TestServer::new();
    server.publish().await;
    let total = |uri: &'static str| {
        let server = &server;
        async move { server.get(uri, "").await.ok::<serde_json::Value>()["total"].as_u64().unwrap() }
    };
    for (uri, expected) in [
        ("/api/courses?difficulty=INTERMEDIATE", 1),
        ("/api/courses?difficulty=BEGINNER", 0),
        ("/api/courses?category=Geography&lang=en", 1),
        ("/api/courses?lang=fr", 0),
        ("/api/courses?lang=EN-gb", 1),
        ("/api/courses?lang=en_US", 1),
        ("/api/courses?lang=en-Latn", 1),
        ("/api/courses?lang=", 0),
        ("/api/courses?lang=e", 0),
        ("/api/courses?lang=eng", 1),
        ("/api/courses?q=RIVERS", 1),
        ("/api/courses?q=wate", 1),
        ("/api/courses?q=water%20river&difficulty=INTERMEDIATE", 1),
        // The text of sections is searched only by /api/search.
        ("/api/courses?q=meandres", 0),
        ("/api/courses?q=%22%20OR%20", 0),
        ("/api/courses?q=", 1),
        ("/api/stories", 0),
        ("/api/search?q=meandres", 1),
        ("/api/search?q=nobody", 1),
        ("/api/search?q=atlantis", 0),
    ] {
        assert_eq!(total(uri).await, expected, "{uri}");
    }
    let hits: ListPage<SearchHit> = server.get("/api/search?q=valley%20floor", "").await.ok();
    assert_eq!(hits.items[0].kind, SearchKind::Section);
    assert_eq!(hits.items[0].item.as_str(), "how-rivers-work/meanders/read");
    assert!(hits.items[0].snippet.contains("valley"));
    let second: ListPage<CourseSummary> =
        server.get("/api/courses?page=2&pageSize=1", "").await.ok();
    assert_eq!((second.total, second.items.len()), (1, 0));
}

#[tokio::test]
async fn a_hit_in_a_story_of_a_course_resolves_to_the_story() {
    let server = TestServer::new();
    server.publish().await;
    let hits: ListPage<SearchHit> = server.get("/api/search?q=nobody%20slept", "").await.ok();
    let [hit] = hits.items.as_slice() else { panic!("{hits:?}") };
    assert_eq!((hit.kind, hit.title.as_str()), (SearchKind::StoryText, "The Flood"));
    assert_eq!(hit.item.as_str(), "how-rivers-work/the-flood");
    // The story is not published separately: the outline of its course contains the hash of its body.
    let (course, id) = hit.item.as_str().split_once('/').unwrap();
    let course: CourseReply = server.get(&format!("/api/courses/{course}"), "").await.ok();
    let story = course.outline.stories.iter().find(|s| s.id.as_str() == id).unwrap();
    let story: Story = server.get(&format!("/api/blobs/{}", story.body), "").await.ok();
    assert_eq!((story.id.as_str(), &story.title), (id, &hit.title));
    assert!(story.pages.iter().flat_map(|p| &p.sentences).any(|s| s.text == "Nobody slept."));
}

#[tokio::test]
async fn requests_with_a_current_etag_get_304() {
    let server = TestServer::new();
    server.publish().await;
    for uri in [
        "/api/courses",
        "/api/courses?q=river",
        "/api/stories",
        "/api/search?q=river",
        "/api/courses/how-rivers-work",
        "/api/courses/how-rivers-work/manifest",
    ] {
        let first = server.get(uri, "").await;
        assert!(first.header("cache-control").starts_with("private, max-age="), "{uri}");
        assert!(first.header("vary").contains("authorization"), "{uri}");
        let again = if_none_match(&server, uri, first.header("etag")).await;
        assert_eq!((again.status.as_u16(), again.body.len()), (304, 0), "{uri}");
        assert_eq!(again.header("etag"), first.header("etag"));
        assert_eq!(if_none_match(&server, uri, "\"x\"").await.status.as_u16(), 200, "{uri}");
    }
    // Importing the same package again changes nothing.
    let tag = server.get("/api/courses", "").await.header("etag").to_owned();
    server.publish().await;
    assert_eq!(if_none_match(&server, "/api/courses", &tag).await.status.as_u16(), 304);
}

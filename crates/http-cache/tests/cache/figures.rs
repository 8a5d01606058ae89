//! Counters by route and tier.

use carrel_http_cache::{ROUTES, RouteCounts};
use carrel_testkit::Answer;

use super::fixture::{Fixture, LIST, MIN, ONE, first, reply, same};

#[tokio::test]
async fn every_response_is_counted_under_its_route_and_origin() {
    let mut fixture = Fixture::new();
    fixture.enqueue([first()]);
    fixture.get(LIST).await.unwrap();
    fixture.restart();
    fixture.get(LIST).await.unwrap();
    fixture.get(LIST).await.unwrap();
    fixture.clock.advance(11 * MIN);
    fixture.enqueue([same(), same()]);
    fixture.get("/api/courses?page=1").await.unwrap_err();
    fixture.enqueue([same()]);
    assert!(fixture.get(LIST).await.unwrap().stale);
    fixture.settle().await;
    fixture.enqueue([first()]);
    let (a, b) = tokio::join!(fixture.get(ONE), fixture.get(ONE));
    assert!(a.is_ok() && b.is_ok());
    fixture.enqueue([same()]);
    fixture.refresh(ONE).await.unwrap();
    fixture.enqueue([Answer::refused()]);
    assert!(fixture.refresh(ONE).await.unwrap().offline);
    fixture.stored(ONE).await.unwrap();
    fixture.get("/api/meta").await.unwrap_err();
    fixture.clock.advance(MIN);
    fixture.enqueue([reply(404, &[], "")]);
    fixture.get("/api/stories/gone").await.unwrap_err();
    fixture.get("/api/stories/gone").await.unwrap_err();

    let figures = fixture.cache.figures();
    assert_eq!(figures.routes.len(), ROUTES.len() + 1);
    let of = |pattern: &str| figures.routes.iter().find(|(r, _)| r.pattern == pattern).unwrap().1;
    let none = RouteCounts::default();
    assert_eq!(of("/api/courses"), RouteCounts { memory: 2, disk: 1, stale: 1, failed: 1, ..none });
    assert_eq!(
        of("/api/courses/*/manifest"),
        RouteCounts { network: 2, revalidated: 1, memory: 2, stale: 1, coalesced: 1, ..none }
    );
    assert_eq!(of("/api/stories/*"), RouteCounts { failed: 2, negative: 1, ..none });
    assert_eq!(of("*"), RouteCounts { failed: 1, negative: 1, ..none });
    let total = figures.total();
    assert_eq!((total.responses(), total.hits()), (8, 6));
    assert!(figures.memory_bytes > 0 && figures.disk_bytes > 0 && figures.evicted == 0);
    fixture.restart();
    assert_eq!(fixture.cache.figures().total(), none, "since the start");
}

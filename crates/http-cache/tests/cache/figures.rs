//! Counters by route and tier.

use carrel_http_cache::{ROUTES, Tally};

use super::desk::{Desk, LIST, MIN, Net, ONE, answer, first, same};

#[tokio::test]
async fn every_answer_is_counted_under_its_route_and_where_it_came_from() {
    let mut desk = Desk::new();
    desk.will([first()]);
    desk.get(LIST).await.unwrap();
    desk.restart();
    desk.get(LIST).await.unwrap();
    desk.get(LIST).await.unwrap();
    desk.clock.advance(11 * MIN);
    desk.will([same(), same()]);
    desk.get("/api/courses?page=1").await.unwrap_err();
    desk.will([same()]);
    assert!(desk.get(LIST).await.unwrap().stale);
    desk.settle().await;
    desk.will([first()]);
    let (a, b) = tokio::join!(desk.get(ONE), desk.get(ONE));
    assert!(a.is_ok() && b.is_ok());
    desk.will([same()]);
    desk.refresh(ONE).await.unwrap();
    desk.will([Net::Refused]);
    assert!(desk.refresh(ONE).await.unwrap().offline);
    desk.stored(ONE).await.unwrap();
    desk.get("/api/meta").await.unwrap_err();
    desk.clock.advance(MIN);
    desk.will([answer(404, &[], "")]);
    desk.get("/api/stories/gone").await.unwrap_err();
    desk.get("/api/stories/gone").await.unwrap_err();

    let figures = desk.cache.figures();
    assert_eq!(figures.routes.len(), ROUTES.len() + 1);
    let of = |pattern: &str| figures.routes.iter().find(|(r, _)| r.pattern == pattern).unwrap().1;
    let none = Tally::default();
    assert_eq!(of("/api/courses"), Tally { memory: 2, disk: 1, stale: 1, failed: 1, ..none });
    assert_eq!(
        of("/api/courses/*/manifest"),
        Tally { network: 2, revalidated: 1, memory: 2, stale: 1, coalesced: 1, ..none }
    );
    assert_eq!(of("/api/stories/*"), Tally { failed: 2, negative: 1, ..none });
    assert_eq!(of("*"), Tally { failed: 1, negative: 1, ..none });
    let total = figures.total();
    assert_eq!((total.answers(), total.hits()), (8, 6));
    assert!(figures.memory_bytes > 0 && figures.disk_bytes > 0 && figures.evicted == 0);
    desk.restart();
    assert_eq!(desk.cache.figures().total(), none, "since the start");
}

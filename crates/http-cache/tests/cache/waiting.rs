//! Concurrent callers: shared requests, dropped waiters, and remembered failures.

use carrel_http_cache::Origin;
use carrel_model::ErrorCode;
use carrel_testkit::Answer;
use futures_util::FutureExt as _;

use super::fixture::{Fixture, LIST, MIN, ONE, first, reply};

#[tokio::test]
async fn dropped_callers_do_not_abort_a_storable_request() {
    let fixture = Fixture::new();
    fixture.enqueue([reply(200, &[("cache-control", "max-age=600")], "[1]").held(&fixture.gate)]);
    let cache = fixture.cache.clone();
    let get = move || {
        let cache = cache.clone();
        tokio::spawn(async move { cache.get(ONE, || {}).await.map(|c| c.status.collapsed) })
    };
    let (first, second, third) = (get(), get(), get());
    fixture.settle().await;
    first.abort();
    fixture.gate.add_permits(1);
    assert!(
        second.await.unwrap().unwrap() && third.await.unwrap().unwrap(),
        "both joined the request"
    );
    assert_eq!(fixture.requests(), 1);

    // After all callers are dropped, the response is stored and returned to the next caller.
    let fixture = Fixture::new();
    fixture.enqueue([reply(200, &[("cache-control", "max-age=600")], "[1]").held(&fixture.gate)]);
    {
        let pending = fixture.get(ONE);
        tokio::pin!(pending);
        tokio::select! {
            biased;
            _ = &mut pending => panic!("completed before the release"),
            () = fixture.settle() => {}
        }
    }
    fixture.gate.add_permits(1);
    fixture.settle().await;
    fixture.enqueue([Answer::refused()]);
    assert_eq!(&fixture.get(ONE).await.unwrap().body[..], b"[1]");
}

#[tokio::test]
async fn an_unstorable_request_is_aborted_without_waiters() {
    let fixture = Fixture::new();
    fixture.enqueue([reply(200, &[], "[1]").held(&fixture.gate), reply(200, &[], "[2]")]);
    {
        let pending = fixture.get("/api/meta");
        tokio::pin!(pending);
        tokio::select! {
            biased;
            _ = &mut pending => panic!("completed before the release"),
            () = fixture.settle() => {}
        }
    }
    fixture.settle().await;
    // Aborted: the next caller starts a new request.
    let next = fixture.get("/api/meta").await.unwrap();
    assert_eq!(
        (&next.body[..], next.status.collapsed, fixture.requests()),
        (&b"[2]"[..], false, 2)
    );
}

#[tokio::test]
async fn a_refresh_joins_a_request_in_progress() {
    let fixture = Fixture::new();
    fixture.enqueue([reply(200, &[], "[1]").held(&fixture.gate)]);
    let cache = fixture.cache.clone();
    let get = tokio::spawn(async move { cache.get(ONE, || {}).await });
    fixture.settle().await;
    let cache = fixture.cache.clone();
    let refresh = tokio::spawn(async move { cache.refresh(ONE).await });
    fixture.settle().await;
    fixture.gate.add_permits(1);
    assert_eq!(get.await.unwrap().unwrap().body, "[1]");
    assert!(refresh.await.unwrap().unwrap().status.collapsed);
    assert_eq!(fixture.requests(), 1);
}

#[tokio::test]
async fn an_unreachable_server_is_not_requested_for_five_seconds_or_until_a_network_change() {
    let fixture = Fixture::new();
    fixture.enqueue([Answer::refused()]);
    assert_eq!(fixture.get(ONE).await.unwrap_err(), ErrorCode::Offline);
    assert_eq!(fixture.get(ONE).await.unwrap_err(), ErrorCode::Offline);
    assert_eq!(fixture.requests(), 1);
    assert!(fixture.cache.is_offline());
    fixture.clock.advance(5_000);
    fixture.enqueue([Answer::refused()]);
    assert_eq!(fixture.get(ONE).await.unwrap_err(), ErrorCode::Offline);
    assert_eq!(fixture.requests(), 2);
    fixture.cache.network_changed();
    fixture.enqueue([first()]);
    assert!(fixture.get(ONE).await.is_ok());
    assert_eq!(fixture.cache.figures().total().negative, 1);
}

#[tokio::test]
async fn a_missing_path_is_not_requested_again_for_a_minute() {
    let fixture = Fixture::new();
    fixture.enqueue([reply(404, &[], "")]);
    for _ in 0..3 {
        assert_eq!(fixture.get(ONE).await.unwrap_err(), ErrorCode::NotFound);
    }
    assert_eq!(fixture.requests(), 1);
    fixture.clock.advance(MIN);
    fixture.enqueue([first()]);
    assert!(fixture.get(ONE).await.is_ok());
}

#[tokio::test]
async fn memory_hits_and_writes_do_not_block_async_tasks() {
    let mut fixture = Fixture::new();
    fixture.enqueue([first(), first()]);
    fixture.get("/api/stories").await.unwrap();
    fixture.get(LIST).await.unwrap();
    fixture.restart();
    fixture.get(LIST).await.unwrap();
    // Another write blocks the database until it is released.
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (running, is_running) = tokio::sync::oneshot::channel();
    let (released, mut running) = (std::sync::Mutex::new(released), Some(running));
    let database = fixture.cache.database().clone();
    let held = tokio::spawn(async move {
        let held = database.write("hold", move |_| {
            running.take().map(|r| r.send(()));
            let _ = released.lock().unwrap().recv();
            Ok(())
        });
        held.await
    });
    is_running.await.unwrap();
    let hit = fixture.get(LIST).now_or_never().expect("a memory hit does not wait").unwrap();
    assert_eq!(hit.origin, Origin::Memory);

    fixture.enqueue([first()]);
    let storing = fixture.get(ONE);
    tokio::pin!(storing);
    while fixture.requests() < 3 {
        tokio::select! {
            biased;
            got = &mut storing => panic!("{got:?} before the response is stored"),
            () = tokio::task::yield_now() => {}
        }
    }
    let stories = fixture.get("/api/stories").await.unwrap();
    assert_eq!(stories.origin, Origin::Disk, "reads do not wait for writes");
    release.send(()).unwrap();
    held.await.unwrap().unwrap();
    assert!(storing.await.unwrap().status.stored);
}

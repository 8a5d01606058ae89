//! Concurrent callers: shared requests, dropped waiters, and remembered failures.

use carrel_http_cache::Origin;
use carrel_model::ErrorCode;
use futures_util::FutureExt as _;

use super::desk::{Desk, LIST, MIN, Net, ONE, answer, first, told};

#[tokio::test]
async fn dropped_callers_do_not_abort_a_storable_request() {
    let desk = Desk::new();
    desk.will([Net::Late(told(200, &[("cache-control", "max-age=600")], "[1]"))]);
    let cache = desk.cache.clone();
    let ask = move || {
        let cache = cache.clone();
        tokio::spawn(async move { cache.get(ONE, || {}).await.map(|c| c.status.collapsed) })
    };
    let (first, second, third) = (ask(), ask(), ask());
    desk.settle().await;
    first.abort();
    desk.net.gate.add_permits(1);
    assert!(second.await.unwrap().unwrap() && third.await.unwrap().unwrap(), "both shared it");
    assert_eq!(desk.requests(), 1);

    // All callers are dropped, the answer arrives, and the next caller gets it.
    let desk = Desk::new();
    desk.will([Net::Late(told(200, &[("cache-control", "max-age=600")], "[1]"))]);
    {
        let asking = desk.get(ONE);
        tokio::pin!(asking);
        tokio::select! {
            biased;
            _ = &mut asking => panic!("it is late"),
            () = desk.settle() => {}
        }
    }
    desk.net.gate.add_permits(1);
    desk.settle().await;
    desk.will([Net::Refused]);
    assert_eq!(&desk.get(ONE).await.unwrap().body[..], b"[1]");
}

#[tokio::test]
async fn an_unstorable_request_is_aborted_without_waiters() {
    let desk = Desk::new();
    desk.will([Net::Late(told(200, &[], "[1]")), answer(200, &[], "[2]")]);
    {
        let asking = desk.get("/api/meta");
        tokio::pin!(asking);
        tokio::select! {
            biased;
            _ = &mut asking => panic!("it is late"),
            () = desk.settle() => {}
        }
    }
    desk.settle().await;
    // Aborted: the next caller begins its own request.
    let next = desk.get("/api/meta").await.unwrap();
    assert_eq!((&next.body[..], next.status.collapsed, desk.requests()), (&b"[2]"[..], false, 2));
}

#[tokio::test]
async fn a_refresh_joins_a_request_in_progress() {
    let desk = Desk::new();
    desk.will([Net::Late(told(200, &[], "[1]"))]);
    let cache = desk.cache.clone();
    let get = tokio::spawn(async move { cache.get(ONE, || {}).await });
    desk.settle().await;
    let cache = desk.cache.clone();
    let refresh = tokio::spawn(async move { cache.refresh(ONE).await });
    desk.settle().await;
    desk.net.gate.add_permits(1);
    assert_eq!(get.await.unwrap().unwrap().body, "[1]");
    assert!(refresh.await.unwrap().unwrap().status.collapsed);
    assert_eq!(desk.requests(), 1);
}

#[tokio::test]
async fn an_unreachable_server_is_not_requested_for_five_seconds_or_until_a_network_change() {
    let desk = Desk::new();
    desk.will([Net::Refused]);
    assert_eq!(desk.get(ONE).await.unwrap_err(), ErrorCode::Offline);
    assert_eq!(desk.get(ONE).await.unwrap_err(), ErrorCode::Offline);
    assert_eq!(desk.requests(), 1);
    assert!(desk.cache.is_offline());
    desk.clock.advance(5_000);
    desk.will([Net::Refused]);
    assert_eq!(desk.get(ONE).await.unwrap_err(), ErrorCode::Offline);
    assert_eq!(desk.requests(), 2);
    desk.cache.network_changed();
    desk.will([first()]);
    assert!(desk.get(ONE).await.is_ok());
    assert_eq!(desk.cache.figures().total().negative, 1);
}

#[tokio::test]
async fn a_missing_path_is_not_requested_again_for_a_minute() {
    let desk = Desk::new();
    desk.will([answer(404, &[], "")]);
    for _ in 0..3 {
        assert_eq!(desk.get(ONE).await.unwrap_err(), ErrorCode::NotFound);
    }
    assert_eq!(desk.requests(), 1);
    desk.clock.advance(MIN);
    desk.will([first()]);
    assert!(desk.get(ONE).await.is_ok());
}

#[tokio::test]
async fn memory_hits_and_writes_do_not_block_async_tasks() {
    let mut desk = Desk::new();
    desk.will([first(), first()]);
    desk.get("/api/stories").await.unwrap();
    desk.get(LIST).await.unwrap();
    desk.restart();
    desk.get(LIST).await.unwrap();
    // Another write blocks the database until it is released.
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (running, is_running) = tokio::sync::oneshot::channel();
    let (released, mut running) = (std::sync::Mutex::new(released), Some(running));
    let database = desk.cache.database().clone();
    let holds = tokio::spawn(async move {
        let holds = database.write("hold", move |_| {
            running.take().map(|r| r.send(()));
            let _ = released.lock().unwrap().recv();
            Ok(())
        });
        holds.await
    });
    is_running.await.unwrap();
    let hit = desk.get(LIST).now_or_never().expect("it is there at once").unwrap();
    assert_eq!(hit.origin, Origin::Memory);

    desk.will([first()]);
    let storing = desk.get(ONE);
    tokio::pin!(storing);
    while desk.requests() < 3 {
        tokio::select! {
            biased;
            got = &mut storing => panic!("{got:?} before it is stored"),
            () = tokio::task::yield_now() => {}
        }
    }
    let stories = desk.get("/api/stories").await.unwrap();
    assert_eq!(stories.origin, Origin::Disk, "reads wait for no write");
    release.send(()).unwrap();
    holds.await.unwrap().unwrap();
    assert!(storing.await.unwrap().status.stored);
}

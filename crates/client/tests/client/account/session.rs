//! The session: refresh of tokens and its end.

use super::*;

fn auth_server() -> (Arc<FakeAuthServer>, Session, Arc<FileSecrets>, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let auth_server = Arc::new(FakeAuthServer::default());
    let secrets = Arc::new(FileSecrets::new(dir.path(), Arc::new(SeededIds::new(1))));
    on_other_thread(|| {
        secrets.set("me", &serde_json::to_string(&FakeAuthServer::tokens(0)).unwrap())
    })
    .unwrap();
    let server = auth_server.clone();
    let http = Network::new(move |r| server.reply(r));
    let session = Session::new(http, "http://gate", "me", secrets.clone());
    (auth_server, session, secrets, dir)
}

#[tokio::test]
async fn concurrent_401s_cause_one_refresh() {
    let (auth_server, session, secrets, _dir) = auth_server();
    auth_server.generation.store(1, Ordering::SeqCst);
    let requests = (0..20).map(|_| session.send(Request::get("http://gate/api/courses")));
    for reply in join_all(requests).await {
        assert_eq!(reply.unwrap().status, 200);
    }
    assert_eq!(auth_server.refreshes.load(Ordering::SeqCst), 1);
    assert!(
        on_other_thread(|| secrets.get("me")).unwrap().unwrap().contains("refresh-1"),
        "the new token is stored"
    );
    session.send(Request::get("http://elsewhere/api")).await.unwrap();
    session.send(Request::get("http://gate.evil/api")).await.unwrap();
    assert_eq!(
        *auth_server.other_hosts.lock().unwrap(),
        [false, false],
        "the token is sent to no other host"
    );
}

#[tokio::test]
async fn only_problem_details_of_the_server_end_a_session() {
    // Reply to the refresh, status of the request's reply, whether the session has ended.
    type Case = (Option<(u16, Vec<u8>)>, Option<u16>, bool);
    let table: Vec<Case> = vec![
        (Some((401, problem_json(401, ErrorCode::Unauthenticated))), Some(401), true),
        (Some((403, problem_json(403, ErrorCode::Forbidden))), Some(401), true),
        (Some((401, b"<html>Wi-Fi</html>".to_vec())), Some(401), false),
        (Some((403, b"<html>Wi-Fi</html>".to_vec())), Some(403), false),
        (Some((503, vec![])), Some(503), false),
        (Some((429, problem_json(429, ErrorCode::RateLimited))), Some(429), false),
        (Some((200, b"<html>".to_vec())), None, false),
        (None, None, false),
    ];
    for (refresh_reply, status, has_ended) in table {
        let (auth_server, session, secrets, _dir) = auth_server();
        auth_server.generation.store(1, Ordering::SeqCst);
        auth_server.down.store(refresh_reply.is_none(), Ordering::SeqCst);
        *auth_server.refresh_reply.lock().unwrap() = refresh_reply.clone();
        let reply = session.send(Request::get("http://gate/api/courses")).await;
        assert_eq!(reply.ok().map(|r| r.status), status, "{refresh_reply:?}");
        assert_eq!(session.is_ended(), has_ended, "{refresh_reply:?}");
        assert_eq!(
            on_other_thread(|| secrets.get("me")).unwrap().is_none(),
            has_ended,
            "{refresh_reply:?}: tokens are kept unless the session has ended"
        );
        let before = auth_server.refreshes.load(Ordering::SeqCst);
        if has_ended {
            let again = session.send(Request::get("http://gate/api/courses")).await.unwrap();
            assert_eq!(
                (again.status, auth_server.refreshes.load(Ordering::SeqCst)),
                (401, before),
                "no further refresh"
            );
            session.renew(FakeAuthServer::tokens(1)).await.unwrap();
            assert!(!session.is_ended());
        } else {
            *auth_server.refresh_reply.lock().unwrap() = None;
            auth_server.down.store(false, Ordering::SeqCst);
        }
        let reply = session.send(Request::get("http://gate/api/courses")).await.unwrap();
        assert_eq!(reply.status, 200, "{refresh_reply:?}: requests succeed again");
    }
}

#[tokio::test]
async fn portal_401_does_not_cause_a_refresh() {
    let dir = tempfile::tempdir().unwrap();
    let secrets = Arc::new(FileSecrets::new(dir.path(), Arc::new(SeededIds::new(1))));
    on_other_thread(|| {
        secrets.set("me", &serde_json::to_string(&FakeAuthServer::tokens(0)).unwrap())
    })
    .unwrap();
    let http = Network::new(|_| (401, "<html>Pay for the Wi-Fi</html>"));
    let session = Session::new(http.clone(), "http://gate", "me", secrets);
    assert_eq!(session.send(Request::get("http://gate/api/x")).await.unwrap().status, 401);
    assert_eq!((http.request_count(), session.is_ended()), (1, false));
}

#[tokio::test]
async fn unreadable_tokens_require_a_sign_in() {
    let dir = tempfile::tempdir().unwrap();
    let secrets = Arc::new(FileSecrets::new(dir.path(), Arc::new(SeededIds::new(1))));
    on_other_thread(|| secrets.set("me", "{half")).unwrap();
    let http = Network::new(|_| -> Answer { panic!("unexpected request") });
    let session = Session::new(http, "http://gate", "me", secrets);
    assert_eq!(session.send(Request::get("http://gate/api/x")).await.unwrap().status, 401);
    assert!(session.is_ended());
}

#[test]
fn session_end_after_sign_out_does_not_undo_it() {
    let dir = tempfile::tempdir().unwrap();
    let (clock, ids) = (FakeClock::noon(), SeededIds::new(1));
    let accounts = Accounts::open(dir.path(), "laptop", &clock, &ids).unwrap();
    let info = AccountInfo::of("https://one.example", "One", user(1));
    accounts.put(&info).unwrap();
    assert!(accounts.set_needs_sign_in(&info.id, true).unwrap());
    assert!(accounts.get(&info.id).unwrap().needs_sign_in);
    accounts.set_session_state(&info.id, false, true).unwrap();
    for needs_sign_in in [true, false] {
        assert!(!accounts.set_needs_sign_in(&info.id, needs_sign_in).unwrap());
        let now = accounts.get(&info.id).unwrap();
        assert!(now.signed_out && !now.needs_sign_in);
    }
    assert!(!accounts.set_needs_sign_in("nobody", true).unwrap());
}

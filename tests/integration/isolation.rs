//! Several accounts of several servers on one device: no data of one account is in the files or requests of another.

use std::{collections::BTreeSet, fs};

use carrel_testkit::{FakeClock, Network, TestServer, content, device::PASSWORD, scratch::scratch};
use http::header;

use crate::client::{self, finish_section, sync};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn learners_and_servers_on_one_device_are_isolated() {
    let clock = FakeClock::noon();
    let (one, two) =
        (TestServer::with_library(&clock).await, TestServer::with_library(&clock).await);
    let dir = scratch();
    let http = Network::over(client::live_http());
    let client = client::open(dir.path(), http.clone(), &clock, 1, false).await;

    // Asha and Bela on server one, another Asha on server two: each finishes a different section.
    let mut accounts = Vec::new();
    for (n, (server, login)) in
        [(&one, "asha"), (&one, "bela"), (&two, "asha")].into_iter().enumerate()
    {
        let account =
            client.register(&server.url(), login, login, PASSWORD).await.expect("an account");
        account.learning.record(finish_section(n)).await.expect("recorded");
        account.learning.save_word(&content::words()[n], None, true).await.expect("a word");
        assert_eq!(sync(&account).await.waiting, 0);
        let user = client.account_info().expect("the account").user.id;
        accounts.push((account.id().to_owned(), user, server, n));
    }
    let ids: BTreeSet<_> = accounts.iter().map(|a| a.0.clone()).collect();
    assert_eq!(ids.len(), 3, "three accounts, three files");
    for id in &ids {
        assert!(dir.path().join("data/accounts").join(id).join("user.db").is_file());
    }

    for (id, user, server, n) in &accounts {
        let account = client.switch(id).await.expect("the account opens");
        let done =
            account.learning.done_sections(content::COURSE).await.expect("the finished sections");
        assert_eq!(
            done,
            BTreeSet::from([content::sections()[*n].clone()]),
            "only the learner's own sections"
        );
        let words = account.learning.words().await.expect("the words");
        assert_eq!(words.iter().map(|w| &w.item).collect::<Vec<_>>(), [&content::words()[*n]]);
        sync(&account).await;
        let rows = server.rows(*user).await;
        let sections: Vec<_> = rows.keys().filter(|k| k.key.starts_with("section")).collect();
        assert_eq!(sections.len(), 1, "only the learner's own sections were sent: {sections:?}");
        assert!(sections[0].key.ends_with(content::sections()[*n].as_str()));
    }

    // No token is sent to a server that did not issue it.
    let mut sent_tokens: Vec<(String, String)> = Vec::new();
    for request in http.take_requests() {
        if let Some(token) = request.headers.get(header::AUTHORIZATION) {
            let host = request.url.split("/api/").next().unwrap_or_default().to_owned();
            sent_tokens.push((token.to_str().expect("a token").to_owned(), host));
        }
    }
    assert!(!sent_tokens.is_empty());
    for (token, host) in &sent_tokens {
        assert!(
            sent_tokens.iter().all(|(t, h)| t != token || h == host),
            "a token was sent to two servers"
        );
    }

    // Bela signs out: the account does not open before the next sign-in, and its work is kept.
    let bela = accounts[1].0.clone();
    client.switch(&bela).await.expect("bela's account opens");
    client
        .require_account()
        .expect("the open account")
        .learning
        .record(finish_section(5))
        .await
        .expect("recorded");
    client.sign_out().await.expect("signed out");
    assert!(client.switch(&bela).await.is_err(), "the account is signed out");
    let reopened =
        client.sign_in(&one.url(), "bela", PASSWORD).await.expect("a second sign-in of bela");
    assert_eq!(reopened.id(), bela);
    assert_eq!(
        reopened
            .learning
            .done_sections(content::COURSE)
            .await
            .expect("the finished sections")
            .len(),
        2,
        "no work is lost"
    );

    // No file of one account contains the work of another.
    client.close().await;
    for (id, _, _, n) in &accounts {
        let bytes =
            fs::read(dir.path().join("data/accounts").join(id).join("user.db")).expect("the file");
        let text = String::from_utf8_lossy(&bytes);
        for (other, _, _, m) in accounts.iter().filter(|a| a.3 != *n) {
            let other_word = content::words()[*m].clone();
            assert!(
                !text.contains(other_word.as_str()),
                "the file of {id} contains a word of {other}"
            );
        }
    }
}

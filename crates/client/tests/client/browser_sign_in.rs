//! Sign-in in the browser: the challenge and its verifier, codes, and what ends a sign-in that has begun.

use carrel_client::{BrowserSignInOptions, Client, Error};
use carrel_model::ErrorCode;
use carrel_testkit::{FakeClock, work::finished};
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};

use crate::lifecycle::{School, open, school};

async fn begin(client: &Client) -> String {
    let options = BrowserSignInOptions::default();
    client.begin_browser_sign_in(School::ADDRESS, options).await.unwrap()
}

fn code_of<T>(result: Result<T, Error>) -> ErrorCode {
    result.err().expect("a refusal").code()
}

#[tokio::test]
async fn the_code_is_sent_with_the_verifier_of_the_challenge() {
    let (dir, school, clock) = (tempfile::tempdir().unwrap(), school(), FakeClock::noon());
    let client = open(dir.path(), &school, &clock).await;
    let first = begin(&client).await;
    let url = begin(&client).await;
    assert_ne!(first, url, "each sign-in has a new challenge");
    let device = client.accounts().device().id;
    let start = format!("{}/api/auth/oidc/start?challenge=", School::ADDRESS);
    let rest = url.strip_prefix(&start).expect("the address of the server");
    let challenge = rest.strip_suffix(&format!("&device={device}")).expect("the device");
    let wrong = client.finish_browser_sign_in("wrong").await;
    assert_eq!(code_of(wrong), ErrorCode::BadCredentials);
    // After a wrong code, the right one can be typed.
    let (account, _) = client.finish_browser_sign_in(" right ").await.unwrap();
    assert_eq!(account.base_url, School::ADDRESS);
    {
        let sent = school.redeemed.lock().unwrap();
        assert_eq!(sent.len(), 2);
        for request in sent.iter() {
            let hash = BASE64URL_NOPAD.encode(&Sha256::digest(request.verifier.as_bytes()));
            assert_eq!((hash.as_str(), request.device_id), (challenge, device));
            assert_eq!(request.verifier.len(), 43);
        }
        assert_eq!(sent[1].code, "right");
    }
    // A link that comes again finds nothing.
    let again = client.finish_browser_sign_in("right").await;
    assert_eq!(code_of(again), ErrorCode::InvalidRequest);
    assert_eq!(school.redeemed.lock().unwrap().len(), 2);
    client.close().await;
}

#[tokio::test]
async fn without_a_sign_in_that_began_here_no_code_is_sent() {
    let (dir, school, clock) = (tempfile::tempdir().unwrap(), school(), FakeClock::noon());
    let client = open(dir.path(), &school, &clock).await;
    assert_eq!(code_of(client.finish_browser_sign_in("right").await), ErrorCode::InvalidRequest);
    begin(&client).await;
    client.cancel_browser_sign_in();
    assert_eq!(code_of(client.finish_browser_sign_in("right").await), ErrorCode::InvalidRequest);
    begin(&client).await;
    clock.advance(20 * 60_000 + 1);
    assert_eq!(code_of(client.finish_browser_sign_in("right").await), ErrorCode::InvalidRequest);
    assert!(!client.is_signing_in_with_browser());
    begin(&client).await;
    client.close().await;
    // A start of the app forgets it.
    let client = open(dir.path(), &school, &clock).await;
    assert_eq!(code_of(client.finish_browser_sign_in("right").await), ErrorCode::InvalidRequest);
    assert!(school.redeemed.lock().unwrap().is_empty());
    client.close().await;
}

#[tokio::test]
async fn the_account_of_a_password_is_the_same_with_its_work_and_without_its_pin() {
    let (dir, school, clock) = (tempfile::tempdir().unwrap(), school(), FakeClock::noon());
    let client = open(dir.path(), &school, &clock).await;
    let account = client.sign_in(School::ADDRESS, "asha", "right").await.unwrap();
    let id = account.id().to_owned();
    client.set_pin(None, Some("2468")).await.unwrap();
    account.learning.record(finished("rivers/a/b")).await.unwrap();
    drop(account);
    client.sign_out().await.unwrap();
    let options = BrowserSignInOptions { removes_pin: true, token: None };
    client.begin_browser_sign_in(School::ADDRESS, options).await.unwrap();
    let (account, _) = client.finish_browser_sign_in("right").await.unwrap();
    assert_eq!(account.id(), id);
    assert!(client.accounts().get(&id).unwrap().pin.is_none());
    assert_eq!(account.learning.done_sections("rivers").await.unwrap().len(), 1);
    drop(account);
    client.close().await;
}

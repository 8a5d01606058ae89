//! Signatures of feeds and packages; mirrors.

use std::sync::Arc;

use carrel_net::Http;
use carrel_testkit::{Answer, Network, reply};
use carrel_update::{
    Channel, Error, Keys, Problem, VerifiedFeed, mirror::Mirrors, signature::Comment,
};

use super::support::{BASE, Files, Publisher, TARGET, version};

fn read(publisher: &Publisher, json: &[u8], signature: &str) -> Result<VerifiedFeed, Error> {
    VerifiedFeed::read(&publisher.keys(), Channel::Stable, json, signature)
}

#[test]
fn a_signed_feed_is_read() {
    let publisher = Publisher::new();
    let feed = publisher.feed("1.2.0", b"package");
    let (json, signature) = publisher.key.sign_feed(&feed).unwrap();
    let read = read(&publisher, &json, &signature).unwrap();
    assert_eq!(*read, feed);
    assert_eq!((read.bytes(), read.signature()), (&*json, &*signature));
}

#[test]
fn every_changed_byte_of_a_feed_is_refused() {
    let publisher = Publisher::new();
    let (json, signature) = publisher.key.sign_feed(&publisher.feed("1.2.0", b"p")).unwrap();
    for at in 0..json.len() {
        let mut changed = json.clone();
        changed[at] ^= 1;
        let error = read(&publisher, &changed, &signature).unwrap_err();
        assert_eq!(error.problem(), Problem::Signature, "byte {at}: {error}");
    }
}

#[test]
fn every_changed_character_of_a_signed_comment_is_refused() {
    let publisher = Publisher::new();
    let (json, signature) = publisher.key.sign_feed(&publisher.feed("1.2.0", b"p")).unwrap();
    let comment = signature.lines().nth(2).unwrap();
    let start = signature.find(comment).unwrap();
    assert!(comment.contains("version:1.2.0\tchannel:stable\ttarget:feed"), "{comment}");
    for at in start..start + comment.len() {
        let mut changed = signature.clone().into_bytes();
        changed[at] ^= 1;
        let changed = String::from_utf8(changed).unwrap();
        assert!(read(&publisher, &json, &changed).is_err(), "character {}", at - start);
    }
    // Moving a whole valid comment to another signature does not work either.
    let (_, other) = publisher.key.sign_feed(&publisher.feed("9.9.9", b"p")).unwrap();
    let mixed = signature.replace(comment, other.lines().nth(2).unwrap());
    assert!(matches!(read(&publisher, &json, &mixed), Err(Error::Signature { .. })));
}

#[test]
fn a_feed_by_another_key_is_refused_and_two_keys_are_accepted() {
    let (old, new, foreign) = (Publisher::new(), Publisher::new(), Publisher::new());
    let feed = old.feed("1.2.0", b"p");
    let keys = [old.key.public_key(), new.key.public_key()];
    let keys = Keys::parse(keys.iter().map(String::as_str)).unwrap();
    for (publisher, is_accepted) in [(&old, true), (&new, true), (&foreign, false)] {
        let (json, signature) = publisher.key.sign_feed(&feed).unwrap();
        let found = VerifiedFeed::read(&keys, Channel::Stable, &json, &signature);
        assert_eq!(found.is_ok(), is_accepted);
    }
    let (json, signature) = foreign.key.sign_feed(&feed).unwrap();
    let error = VerifiedFeed::read(&keys, Channel::Stable, &json, &signature).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the signature of the feed is not valid: it is by a key that this app does not accept"
    );
    let none = VerifiedFeed::read(&Keys::default(), Channel::Stable, &json, &signature);
    assert!(none.is_err(), "without a key nothing is accepted");
}

#[test]
fn a_valid_signature_of_something_else_is_refused() {
    let publisher = Publisher::new();
    let feed = publisher.feed("1.2.0", b"p");
    let json = serde_json::to_vec(&feed).unwrap();
    for (fields, refused) in [
        ([("version", "1.2.0"), ("channel", "stable"), ("target", TARGET)], "target"),
        ([("version", "1.2.0"), ("channel", "beta"), ("target", "feed")], "channel"),
        ([("version", "1.1.0"), ("channel", "stable"), ("target", "feed")], "version"),
    ] {
        let signature = publisher.key.sign(&json, &Comment::write(&fields)).unwrap();
        let error = read(&publisher, &json, &signature).unwrap_err();
        let found = matches!(&error, Error::OtherFile { field, .. } if *field == refused);
        assert!(found, "{refused}: {error}");
    }
    // The feed of another channel under the name of this one.
    let beta = publisher.feed_for("1.2.0", Channel::Beta, TARGET, b"p");
    let (json, signature) = publisher.key.sign_feed(&beta).unwrap();
    let error = read(&publisher, &json, &signature).unwrap_err();
    assert!(matches!(error, Error::OtherFile { field: "channel", .. }), "{error}");
}

#[test]
fn unusable_feeds_with_a_valid_signature_are_refused() {
    let publisher = Publisher::new();
    let mut newer = publisher.feed("1.2.0", b"p");
    newer.format = 2;
    let mut names = Vec::new();
    for name in ["../../bin/carrel", "a/b", "a\\b", "", ".hidden", "nul\0"] {
        let mut feed = publisher.feed("1.2.0", b"p");
        feed.files.get_mut(TARGET).unwrap().name = name.into();
        names.push(feed);
    }
    for feed in std::iter::once(newer).chain(names) {
        let (json, signature) = publisher.key.sign_feed(&feed).unwrap();
        let error = read(&publisher, &json, &signature).unwrap_err();
        assert!(matches!(error, Error::Malformed { .. }), "{error}");
    }
}

#[test]
fn fields_of_a_comment_are_found_by_their_whole_name() {
    let publisher = Publisher::new();
    let text = Comment::write(&[("file", "a:b"), ("minimum version", "2"), ("version", "1")]);
    let signature = publisher.key.sign(b"x", &text).unwrap();
    let comment = publisher.keys().verify("x", b"x", &signature).unwrap();
    assert_eq!(
        ["file", "version", "channel", "ver", ""].map(|name| comment.field(name)),
        ["a:b", "1", "", "", ""]
    );
}

#[tokio::test]
async fn the_first_mirror_with_an_accepted_feed_is_used() {
    const SECOND: &str = "https://mirror.example.org/a";
    let (publisher, foreign) = (Publisher::new(), Publisher::new());
    let mirrors = Mirrors::parse(&[BASE, SECOND]).unwrap();
    let accept_all = |_: &VerifiedFeed| Ok(());
    let fetch = async |files: &Files| {
        let http: Arc<dyn Http> = files.network();
        mirrors.feed(&http, &publisher.keys(), Channel::Stable, &accept_all).await
    };

    // A mirror that was replaced: its files are signed by another key.
    let files = Files::default();
    files.publish(BASE, &foreign, &foreign.feed("9.0.0", b"x"), b"x");
    assert_eq!(fetch(&files).await.unwrap_err().problem(), Problem::Signature);
    files.publish(SECOND, &publisher, &publisher.feed("1.2.0", b"p"), b"p");
    assert_eq!(fetch(&files).await.unwrap().version, version("1.2.0"));

    // Neither mirror has the file; then a captive portal replies in place of the first one.
    let files = Files::default();
    assert_eq!(fetch(&files).await.unwrap_err().problem(), Problem::Offline);
    files.put(format!("{BASE}/stable.json"), "<html>Sign in</html>");
    files.publish(SECOND, &publisher, &publisher.feed("1.2.0", b"p"), b"p");
    assert_eq!(fetch(&files).await.unwrap().version, version("1.2.0"));

    // A feed that the caller does not accept.
    let refuse = |feed: &VerifiedFeed| {
        let expired = carrel_update::Refusal::Expired(feed.expires);
        Err(Error::Refused(expired))
    };
    let http: Arc<dyn Http> = files.network();
    let error = mirrors.feed(&http, &publisher.keys(), Channel::Stable, &refuse).await;
    assert_eq!(error.unwrap_err().problem(), Problem::Expired);
}

#[tokio::test]
async fn a_feed_that_changes_between_its_two_requests_is_fetched_again() {
    let publisher = Publisher::new();
    let (old, new) = (publisher.feed("1.1.0", b"p"), publisher.feed("1.2.0", b"p"));
    let ((old_json, _), (new_json, new_signature)) =
        (publisher.key.sign_feed(&old).unwrap(), publisher.key.sign_feed(&new).unwrap());
    let files = Files::default();
    files.put(format!("{BASE}/stable.json"), new_json);
    files.put(format!("{BASE}/stable.json.minisig"), new_signature);
    let network = files.network();
    network.enqueue([reply::reply(200, "application/json", old_json).into()]);
    let http: Arc<dyn Http> = network.clone();
    let mirrors = Mirrors::parse(&[BASE]).unwrap();
    let feed = mirrors.feed(&http, &publisher.keys(), Channel::Stable, &|_| Ok(())).await;
    assert_eq!(feed.unwrap().version, version("1.2.0"));
    assert_eq!(network.request_count(), 4);
}

#[tokio::test]
async fn redirects_are_followed_but_not_for_ever() {
    let publisher = Publisher::new();
    let files = Files::default();
    files.publish("https://store.example.org/x", &publisher, &publisher.feed("1.2.0", b"p"), b"p");
    let network = Network::new(move |request| {
        let to = request.url.strip_prefix(BASE).map(|path| {
            let to = format!("https://store.example.org/x{path}");
            Answer::from(reply::with_headers(302, [("location", &*to)], ""))
        });
        to.unwrap_or_else(|| files.answer(request))
    });
    let mirrors = Mirrors::parse(&[BASE]).unwrap();
    let fetch = async |http: Arc<dyn Http>| {
        mirrors.feed(&http, &publisher.keys(), Channel::Stable, &|_| Ok(())).await
    };
    assert_eq!(fetch(network).await.unwrap().version, version("1.2.0"));
    let endless = Network::new(|_| reply::with_headers(302, [("location", "/again")], ""));
    let error = fetch(endless.clone()).await.unwrap_err();
    assert!(error.to_string().contains("too many redirects"), "{error}");
    assert_eq!(endless.request_count(), 6);
}

#[test]
fn addresses_of_mirrors() {
    let mirrors = Mirrors::parse(&["https://a.example/x", "http://b.example/y/?q#f"]).unwrap();
    let addresses = |urls: &[&str]| -> Vec<String> {
        let urls: Vec<String> = urls.iter().map(|u| (*u).to_owned()).collect();
        mirrors.addresses(&urls).into_iter().map(String::from).collect()
    };
    assert_eq!(
        addresses(&["files/a.bin", "https://c.example/a.bin"]),
        [
            "https://a.example/x/files/a.bin",
            "http://b.example/y/files/a.bin",
            "https://c.example/a.bin"
        ]
    );
    assert_eq!(addresses(&["file:///etc/passwd", "data:,x"]), [""; 0]);
    for wrong in ["", "updates.example.org", "file:///srv", "ftp://a.example/"] {
        assert!(matches!(Mirrors::parse(&[wrong]), Err(Error::NotSetUp(_))), "{wrong}");
    }
    assert!(matches!(Mirrors::parse::<&str>(&[]), Err(Error::NotSetUp(_))));
}

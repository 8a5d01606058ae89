//! The object store against a small S3 server: content, ranges, tenants, clean-up, faults and mistakes in the settings.

use std::{
    collections::HashSet,
    io::{self, Write},
    sync::Arc,
};

use carrel_domain::{
    blobs::{BlobStore, BlobsUnavailable, Removed},
    clock::{Clock, FakeClock, SystemClock},
};
use carrel_model::BlobHash;
use carrel_object_store::{
    ObjectStore, ObjectStoreSettings,
    testing::{FakeS3, Fault},
};
use carrel_package::Blob;
use tokio::io::AsyncReadExt;

const NOW: i64 = 1_790_000_000_000;
const HOUR: i64 = 3_600_000;

struct Fixture {
    s3: FakeS3,
    clock: Arc<FakeClock>,
}

impl Fixture {
    fn new() -> Self {
        Self { s3: FakeS3::start(), clock: Arc::new(FakeClock::new(NOW)) }
    }
    fn with(&self, change: impl FnOnce(&mut ObjectStoreSettings)) -> ObjectStore {
        let mut settings = self.s3.settings("school");
        change(&mut settings);
        ObjectStore::open(&settings, None, Arc::clone(&self.clock) as _).unwrap()
    }
    fn server(&self) -> ObjectStore {
        self.with(|_| {})
    }
    fn tenant(&self, name: &str) -> ObjectStore {
        let settings = self.s3.settings("school");
        ObjectStore::open(&settings, Some(name), Arc::clone(&self.clock) as _).unwrap()
    }
    fn blobs(&self) -> usize {
        self.s3.keys("school/blobs/").len()
    }
    fn grants(&self) -> usize {
        self.s3.keys("school/grants/").len()
    }
}

fn put(store: &dyn BlobStore, content: &[u8]) -> BlobHash {
    try_put(store, content).unwrap()
}

fn try_put(store: &dyn BlobStore, content: &[u8]) -> io::Result<BlobHash> {
    let hash = BlobHash::of(content);
    let mut blob = store.create(hash)?;
    blob.write_all(content)?;
    blob.finish()?;
    Ok(hash)
}

fn unavailable(error: &io::Error) -> BlobsUnavailable {
    BlobsUnavailable::of(error).unwrap_or_else(|| panic!("{error:?}")).clone()
}

async fn part(store: &ObjectStore, hash: BlobHash, first: u64, len: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    store.open(hash, first, len).await?.read_to_end(&mut bytes).await?;
    Ok(bytes)
}

#[tokio::test]
async fn blobs_are_read_whole_in_parts_and_as_files() {
    let fixture = Fixture::new();
    let (store, other) = (fixture.server(), fixture.server());
    let content: Vec<u8> = (0..300_000_u32).map(|n| (n * 7 % 251) as u8).collect();
    let hash = put(&store, &content);
    let missing = BlobHash::of(b"missing");
    // A second process finds it at once.
    assert_eq!(other.size(hash).unwrap(), Some(300_000));
    assert_eq!(other.size(missing).unwrap(), None);
    assert_eq!(other.read(hash).unwrap(), content);
    assert_eq!(other.read(missing).unwrap_err().kind(), io::ErrorKind::NotFound);
    for (first, len) in [(0, 300_000), (0, 1), (299_999, 1), (100_000, 150_000), (7, 0)] {
        let expected = &content[first as usize..(first + len) as usize];
        assert_eq!(part(&other, hash, first, len).await.unwrap(), expected, "{first} {len}");
    }
    let error = part(&other, missing, 0, 1).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ab/file");
    other.copy_to(hash, &file).unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), content);
    // An empty blob, and one that comes from the compiler.
    let empty = put(&store, b"");
    assert_eq!((other.read(empty).unwrap(), other.size(empty).unwrap()), (vec![], Some(0)));
    let blob = Blob::from_bytes(b"compiled".to_vec(), "text/plain");
    let mut sink = store.sink().unwrap();
    sink.put(&blob).unwrap();
    sink.put(&blob).unwrap();
    assert_eq!(other.read(blob.hash).unwrap(), b"compiled");
    store.put_file(hash, &file).unwrap();
    let wrong = store.put_file(missing, &file).unwrap_err();
    assert_eq!(wrong.kind(), io::ErrorKind::InvalidData);
    assert_eq!((fixture.blobs(), fixture.grants()), (3, 3));
}

#[test]
fn content_is_sent_once_and_a_lost_reply_changes_nothing() {
    let fixture = Fixture::new();
    let store = fixture.server();
    for fault in [Fault::LoseReply, Fault::Drop, Fault::Error(500, "InternalError")] {
        fixture.s3.fail("PUT", "/blobs/", fault);
        let content = format!("content {}", fixture.s3.faults_left() + fixture.blobs());
        let hash = put(&store, content.as_bytes());
        assert_eq!(store.read(hash).unwrap(), content.as_bytes());
        assert_eq!(fixture.s3.faults_left(), 0);
    }
    assert_eq!(fixture.blobs(), 3);
    fixture.s3.received();
    let sent = |s3: &FakeS3| {
        let received = s3.received();
        let is_blob =
            |(method, path): &&(String, String)| method == "PUT" && path.contains("/blobs/");
        received.iter().filter(is_blob).count()
    };
    put(&store, b"content 1");
    assert_eq!(sent(&fixture.s3), 0);
    put(&store, b"new");
    assert_eq!(sent(&fixture.s3), 1);
}

#[test]
fn equal_blobs_of_tenants_are_one_object_and_each_reads_only_what_it_has() {
    let fixture = Fixture::new();
    let (rivers, hills) = (fixture.tenant("rivers"), fixture.tenant("hills"));
    let hash = put(&rivers, b"the same");
    let only = put(&rivers, b"of one");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for store in [&hills, &fixture.server()] {
        assert_eq!(store.size(hash).unwrap(), None);
        assert!(!store.reserve(hash, 8).unwrap());
        assert_eq!(store.read(hash).unwrap_err().kind(), io::ErrorKind::NotFound);
        let opened = runtime.block_on(part(store, hash, 0, 1));
        assert_eq!(opened.unwrap_err().kind(), io::ErrorKind::NotFound);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x");
        assert!(store.copy_to(hash, &file).is_err() && !file.exists());
    }
    put(&hills, b"the same");
    assert_eq!((fixture.blobs(), fixture.grants()), (2, 3));
    // One tenant removes both. The other one and the clean-up of the server keep what is still used.
    fixture.clock.advance(3 * HOUR);
    let before = fixture.clock.now_ms() - HOUR;
    let removed = rivers.remove_others(&HashSet::new(), before).unwrap();
    assert_eq!(removed, Removed { blobs: 2, bytes: 0 });
    assert_eq!(rivers.read(hash).unwrap_err().kind(), io::ErrorKind::NotFound);
    let removed = fixture.server().remove_others(&HashSet::new(), before).unwrap();
    assert_eq!(removed, Removed { blobs: 0, bytes: 6 });
    assert_eq!(hills.read(hash).unwrap(), b"the same");
    assert_eq!(fixture.s3.content(&only.to_hex()), [[0; 0]; 0]);
}

#[test]
fn a_clean_up_reads_all_pages_and_spares_what_is_used_or_new() {
    let fixture = Fixture::new();
    fixture.s3.set_page(2);
    let store = fixture.server();
    let hashes: Vec<BlobHash> =
        (0..7).map(|n| put(&store, format!("blob {n}").as_bytes())).collect();
    fixture.clock.advance(3 * HOUR);
    let before = fixture.clock.now_ms() - HOUR;
    // Another import stores one of them again. Nothing is sent, and it is as new as the last one.
    put(&fixture.server(), b"blob 1");
    assert!(fixture.server().reserve(hashes[2], 6).unwrap());
    let new = put(&store, b"new");
    let removed = store.remove_others(&HashSet::from([hashes[0]]), before).unwrap();
    assert_eq!(removed, Removed { blobs: 4, bytes: 24 });
    for (n, hash) in hashes.iter().enumerate() {
        assert_eq!(store.size(*hash).unwrap().is_some(), n < 3, "{n}");
    }
    assert!(store.size(new).unwrap().is_some());
    assert_eq!(
        store.remove_others(&HashSet::from([hashes[0]]), before).unwrap(),
        Removed::default()
    );
}

#[test]
fn an_import_between_list_and_deletion_keeps_its_blob() {
    let fixture = Fixture::new();
    let store = fixture.server();
    let hash = put(&store, b"old");
    fixture.clock.advance(3 * HOUR);
    let before = fixture.clock.now_ms() - HOUR;
    // The clean-up has read the list and waits. Meanwhile another process stores the blob again.
    fixture.s3.fail("GET", "list-type", Fault::Hold);
    let cleaning = fixture.server();
    let clean = std::thread::spawn(move || cleaning.remove_others(&HashSet::new(), before));
    fixture.s3.wait_for_held();
    put(&store, b"old");
    fixture.s3.release();
    assert_eq!(clean.join().unwrap().unwrap(), Removed::default());
    assert_eq!(store.read(hash).unwrap(), b"old");
}

#[tokio::test]
async fn failures_that_pass_are_not_noticed() {
    let fixture = Fixture::new();
    let store = fixture.server();
    let content = vec![7; 200_000];
    let hash = put(&store, &content);
    let faults = [
        Fault::Error(500, "InternalError"),
        Fault::Error(503, "SlowDown"),
        Fault::Error(429, "TooManyRequests"),
        Fault::Drop,
        Fault::LoseReply,
    ];
    for fault in faults {
        for method in ["GET", "HEAD", "PUT", "DELETE"] {
            fixture.s3.fail(method, "", fault.clone());
        }
        let fresh = fixture.server();
        assert_eq!(fresh.read(hash).unwrap(), content, "{fault:?}");
        let other = put(&fresh, b"other");
        fixture.clock.advance(3 * HOUR);
        let before = fixture.clock.now_ms() - HOUR;
        fresh.remove_others(&HashSet::from([hash]), before).unwrap();
        assert_eq!(fresh.size(other).unwrap(), None);
        assert_eq!(fixture.s3.faults_left(), 0, "{fault:?}");
    }
    // A transfer that ends early is continued where it ended.
    let second = fixture.server();
    for cut in [0, 1, 100_000] {
        fixture.s3.fail("GET", "/blobs/", Fault::Cut(cut));
        assert_eq!(second.read(hash).unwrap(), content);
        fixture.s3.fail("GET", "/blobs/", Fault::Cut(cut));
        assert_eq!(part(&second, hash, 5, 150_000).await.unwrap(), &content[5..150_005]);
    }
}

#[tokio::test]
async fn an_outage_is_an_error_and_no_incomplete_transfer_ends_well() {
    let fixture = Fixture::new();
    let store = fixture.server();
    let content = vec![7; 200_000];
    let hash = put(&store, &content);
    for _ in 0..4 {
        fixture.s3.fail("GET", "/blobs/", Fault::Cut(1_000));
    }
    let error = part(&store, hash, 0, 200_000).await.unwrap_err();
    assert!(!unavailable(&error).is_configuration, "{error}");
    for _ in 0..4 {
        fixture.s3.fail("GET", "/blobs/", Fault::Cut(1_000));
    }
    let dir = tempfile::tempdir().unwrap();
    assert!(store.copy_to(hash, &dir.path().join("file")).is_err());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);

    fixture.s3.set_down(true);
    let errors = [
        store.read(hash).unwrap_err(),
        fixture.server().size(hash).unwrap_err(),
        store.reserve(hash, 200_000).unwrap_err(),
        store.open(hash, 0, 10).await.err().unwrap(),
        store.remove_others(&HashSet::new(), NOW).unwrap_err(),
        store.check("key").unwrap_err(),
        try_put(&store, b"x").unwrap_err(),
    ];
    for error in errors {
        assert!(!unavailable(&error).is_configuration, "{error}");
    }
    fixture.s3.set_down(false);
    assert_eq!(store.read(hash).unwrap(), content);
    // A store that accepts the connection and does not reply.
    let slow = fixture.with(|s| (s.timeout_s, s.attempts) = (1, 1));
    fixture.s3.fail("HEAD", "/grants/", Fault::Hold);
    let error = slow.read(hash).unwrap_err();
    assert!(unavailable(&error).problem.contains("in time"), "{error}");
    fixture.s3.release();
    // Nobody listens there.
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = fixture.with(|s| s.endpoint = Some(format!("http://{unused}")));
    assert!(!unavailable(&nobody.check("key").unwrap_err()).is_configuration);
}

#[test]
fn wrong_settings_are_reported_in_words_and_without_the_secret() {
    let fixture = Fixture::new();
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "another-secret").unwrap();
    type Change = Box<dyn FnOnce(&mut ObjectStoreSettings)>;
    let cases: [(&str, Change); 6] = [
        ("the access key is unknown", Box::new(|s| s.access_key = Some("OTHER".into()))),
        ("the secret does not belong", Box::new(|s| s.secret_key_file = Some(secret))),
        (
            "blobs.secret_key_file: cannot read",
            Box::new(|s| s.secret_key_file = Some("/no".into())),
        ),
        ("blobs.access_key: is missing", Box::new(|s| s.access_key = None)),
        ("does not exist at http://", Box::new(|s| s.url = "s3://other-bucket".into())),
        ("is in another region", Box::new(|s| s.region = "eu-north-1".into())),
    ];
    for (expected, change) in cases {
        let store = fixture.with(change);
        let found = unavailable(&store.check("key").unwrap_err());
        assert!(found.is_configuration && found.problem.contains(expected), "{found}");
        assert!(!found.problem.contains("another-secret"), "{found}");
    }
    fixture.s3.set_now(NOW + HOUR);
    let found = unavailable(&fixture.server().check("key").unwrap_err());
    assert!(found.is_configuration && found.problem.contains("clock"), "{found}");
    fixture.s3.set_now(NOW);
    // A refusal is not repeated.
    fixture.s3.received();
    let denied = Fault::Error(403, "AccessDenied");
    fixture.s3.fail("GET", "", denied);
    let found = unavailable(&fixture.server().check("key").unwrap_err());
    assert!(found.is_configuration && found.problem.contains("may not use"), "{found}");
    assert_eq!(fixture.s3.received().len(), 1);
}

#[test]
fn a_prefix_belongs_to_one_server() {
    let fixture = Fixture::new();
    fixture.server().check("key of one").unwrap();
    fixture.server().check("key of one").unwrap();
    let found = unavailable(&fixture.server().check("key of two").unwrap_err());
    assert!(found.is_configuration && found.problem.contains("another server"), "{found}");
    fixture.with(|s| s.url = "s3://library/second".into()).check("key of two").unwrap();
}

#[test]
fn damaged_content_is_not_returned() {
    let fixture = Fixture::new();
    let store = fixture.server();
    let hash = put(&store, b"content");
    fixture.s3.damage(&hash.to_hex(), b"CONTENT");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    assert_eq!(store.read(hash).unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert_eq!(store.copy_to(hash, &file).unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert!(!file.exists());
    // Content of another length is replaced when the blob is stored again.
    fixture.s3.damage(&hash.to_hex(), b"short");
    put(&store, b"content");
    assert_eq!(store.read(hash).unwrap(), b"content");
}

/// The same against a store that is not part of this repository: `CARREL_TEST_S3` has its address and
/// `CARREL_TEST_S3_BUCKET` an existing bucket; the keys are in the variables of the server.
#[tokio::test]
async fn an_independent_store_is_understood() {
    let Ok(endpoint) = std::env::var("CARREL_TEST_S3") else { return };
    let bucket = std::env::var("CARREL_TEST_S3_BUCKET").unwrap();
    let now = SystemClock.now_ms();
    let settings = ObjectStoreSettings {
        url: format!("s3://{bucket}/test-{now}"),
        endpoint: Some(endpoint),
        ..ObjectStoreSettings::default()
    };
    // Within the difference that stores allow, and enough for a blob to be old.
    let later: Arc<dyn Clock> = Arc::new(FakeClock::new(now + 12 * 60_000));
    let open = |tenant, clock| ObjectStore::open(&settings, tenant, clock).unwrap();
    let store = open(None, Arc::new(SystemClock));
    store.check("key of one").unwrap();
    assert!(unavailable(&store.check("key of two").unwrap_err()).is_configuration);
    let content: Vec<u8> = (0..3_000_000_u32).map(|n| (n * 7 % 251) as u8).collect();
    let hash = put(&store, &content);
    assert_eq!(store.read(hash).unwrap(), content);
    assert_eq!(store.size(hash).unwrap(), Some(3_000_000));
    assert_eq!(part(&store, hash, 1_000_000, 7).await.unwrap(), &content[1_000_000..1_000_007]);
    assert!(open(None, Arc::clone(&later)).reserve(hash, 3_000_000).unwrap(), "a copy onto itself");
    let tenant = open(Some("rivers"), Arc::new(SystemClock));
    assert_eq!(tenant.read(hash).unwrap_err().kind(), io::ErrorKind::NotFound);
    put(&tenant, &content);
    let others: Vec<BlobHash> = (0..3).map(|n| put(&store, &[n; 10])).collect();
    let removed = store.remove_others(&HashSet::from([others[0]]), now + HOUR).unwrap();
    assert_eq!(removed, Removed { blobs: 3, bytes: 20 });
    assert_eq!(store.size(hash).unwrap(), None);
    assert_eq!(tenant.read(hash).unwrap(), content);
    let wrong = ObjectStoreSettings { url: "s3://no-such-bucket-here".into(), ..settings.clone() };
    let wrong = ObjectStore::open(&wrong, None, Arc::new(SystemClock)).unwrap();
    assert!(unavailable(&wrong.check("key").unwrap_err()).is_configuration);
}

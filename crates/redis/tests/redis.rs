//! The limits on a real server (`redis-server` or `valkey-server`). Without one, the test is skipped.

#![allow(clippy::print_stderr, reason = "a skipped test prints the reason")]

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use carrel_redis::{MAX_VALUE_BYTES, RedisLimits, RedisUrl, RedisValues};
use carrel_store::{Burst, Counted, SharedLimits};

const NOW: i64 = 1_790_000_000_000;
const BURST: Burst = Burst { name: "sign-ins", events: 5, window_ms: 60_000 };

/// Starts a server on a socket in the folder; `None` if none is installed.
fn start(folder: &Path) -> Option<Child> {
    let start = |program: &str| {
        let mut command = Command::new(program);
        command.args(["--port", "0", "--save", "", "--dir"]).arg(folder);
        command.arg("--unixsocket").arg(folder.join("s"));
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()
    };
    let mut server = ["redis-server", "valkey-server"].into_iter().find_map(start)?;
    let lines = BufReader::new(server.stdout.take()?).lines().map_while(Result::ok);
    let mut lines = lines.skip_while(|line| !line.to_lowercase().contains("ready to accept"));
    assert!(lines.next().is_some(), "the server starts");
    Some(server)
}

#[tokio::test]
async fn two_processes_share_the_count_of_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut server) = start(folder.path()) else {
        eprintln!("skipped: neither redis-server nor valkey-server is installed");
        return;
    };
    let url =
        RedisUrl::new(&format!("redis+unix://{}", folder.path().join("s").display())).unwrap();
    let (a, b) = (RedisLimits::new(&url, "school"), RedisLimits::new(&url, "school"));
    let take = async |limits: &RedisLimits, key: &str, now: i64| {
        matches!(limits.take(BURST, key, now).await.unwrap(), Counted::Yes { .. })
    };
    for n in 0..5 {
        assert!(take(if n % 2 == 0 { &a } else { &b }, "noor", NOW).await, "{n}");
    }
    assert_eq!(a.take(BURST, "noor", NOW).await.unwrap(), Counted::No { full_in_ms: 60_000 });
    assert!(!take(&b, "noor", NOW).await);
    // Other keys, limits and servers are not concerned.
    assert!(take(&a, "sami", NOW).await);
    assert!(matches!(
        a.take(Burst { name: "codes", ..BURST }, "noor", NOW).await,
        Ok(Counted::Yes { .. })
    ));
    assert!(take(&RedisLimits::new(&url, "another school"), "noor", NOW).await);
    // A refund counts before the next event of the process. The burst refills evenly.
    a.refund(BURST, "noor");
    assert!(take(&a, "noor", NOW).await && !take(&a, "noor", NOW).await);
    assert!(take(&b, "noor", NOW + 12_000).await && !take(&b, "noor", NOW + 12_001).await);
    // A clock that was far ahead does not block the key.
    assert!(take(&a, "lena", NOW + 86_400_000).await && take(&a, "lena", NOW).await);
    // Without the server, an event is neither counted nor refused.
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(a.take(BURST, "noor", NOW).await.is_err());
    a.refund(BURST, "noor");
    assert!(a.take(BURST, "noor", NOW).await.is_err());
}

#[tokio::test]
async fn values_are_shared_and_expire() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut server) = start(folder.path()) else {
        eprintln!("skipped: neither redis-server nor valkey-server is installed");
        return;
    };
    let url =
        RedisUrl::new(&format!("redis+unix://{}", folder.path().join("s").display())).unwrap();
    // On a slow machine, a reply may take longer than a caller waits.
    let patience = std::time::Duration::from_secs(60);
    let [a, b] = [(), ()].map(|()| RedisValues::with_deadline(&url, patience));
    let get = async |values: &RedisValues, key: &str| values.get(key.to_owned()).await.unwrap();
    assert_eq!(get(&b, "none").await, None);
    let value: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    a.set("v".to_owned(), value.clone(), 60_000);
    let found = loop {
        if let Some(found) = get(&b, "v").await {
            break found;
        }
        tokio::task::yield_now().await;
    };
    assert!(found == value);
    // Values that Redis would refuse, or that nobody could read, are not sent.
    a.set("long".to_owned(), vec![0; MAX_VALUE_BYTES + 1], 60_000);
    a.set("expired".to_owned(), vec![0], 0);
    for key in ["long", "expired"] {
        assert_eq!(get(&a, key).await, None, "{key}");
    }
    // A value lasts for its time.
    a.set("short".to_owned(), b"x".to_vec(), 1);
    while get(&a, "short").await.is_some() {}
    server.kill().unwrap();
    server.wait().unwrap();
    // All connections find the end; then a pause begins, in which no command is sent.
    for _ in 0..8 {
        assert!(a.get("v".to_owned()).await.is_err());
    }
    let error = a.get("v".to_owned()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotConnected);
    a.set("v".to_owned(), value, 60_000);
}

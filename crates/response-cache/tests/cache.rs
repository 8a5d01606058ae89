//! The cache with tasks that ask at the same time, and with a Redis that is missing, slow or wrong.

#![allow(clippy::print_stderr, reason = "a skipped test prints the reason")]

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use carrel_redis::{RedisUrl, RedisValues};
use carrel_response_cache::{CachedReply, LookUp, Origin, ReplyKind, ResponseCache, TenantCache};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixListener,
};

const NOW: i64 = 1_790_000_000_000;
/// On a slow machine, a reply of Redis may take longer than the cache waits by default.
const PATIENCE: Duration = Duration::from_secs(60);
const MIB: u64 = 1024 * 1024;
const RESOURCE: &[&str] = &["/api/courses?page=1", ""];

fn reply(text: &str) -> CachedReply {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    CachedReply { headers, body: text.to_owned().into() }
}

/// Asks for a reply, and computes `text` if it is missing.
async fn ask(cache: &TenantCache, kind: ReplyKind, state: &str, now: i64, text: &str) -> String {
    let (found, origin) = match cache.look_up(kind, RESOURCE, state, now).await {
        LookUp::Found(found) => (found.reply().clone(), found.origin),
        LookUp::Missing(computation) => {
            computation.begin();
            computation.finish(reply(text), None, now);
            (reply(text), Origin::Miss)
        }
        LookUp::Ended => panic!("nobody else computes"),
    };
    format!("{} {}", origin.as_str(), String::from_utf8_lossy(&found.body))
}

#[tokio::test]
async fn a_reply_is_kept_for_the_time_of_its_kind_and_for_its_state() {
    let cache = ResponseCache::new(MIB, None).for_tenant([1; 32]);
    for rule in carrel_response_cache::RULES {
        let last = NOW + i64::from(rule.ttl_s) * 1_000 - 1;
        assert_eq!(ask(&cache, rule.kind, "1", NOW, "a").await, "miss a");
        assert_eq!(ask(&cache, rule.kind, "1", last, "b").await, "memory a");
        assert_eq!(ask(&cache, rule.kind, "1", last + 1, "b").await, "miss b", "{}", rule.name);
        assert_eq!(ask(&cache, rule.kind, "2", last, "c").await, "miss c");
        assert_eq!(ask(&cache, rule.kind, "1", last + 1, "d").await, "memory b");
        // After the clock was set back, the reply is computed again.
        assert_eq!(ask(&cache, rule.kind, "1", NOW - 1, "e").await, "miss e");
    }
    let LookUp::Missing(computation) = cache.look_up(ReplyKind::List, RESOURCE, "3", NOW).await
    else {
        panic!("it is not kept")
    };
    computation.finish(reply("f"), Some(NOW + 10), NOW);
    assert_eq!(ask(&cache, ReplyKind::List, "3", NOW + 9, "g").await, "memory f");
    assert_eq!(ask(&cache, ReplyKind::List, "3", NOW + 10, "g").await, "miss g");
}

#[tokio::test]
async fn tenants_with_equal_requests_do_not_share_replies() {
    let process = ResponseCache::new(MIB, None);
    let [a, b] = [[1; 32], [2; 32]].map(|secret| process.for_tenant(secret));
    assert_eq!(ask(&a, ReplyKind::List, "1", NOW, "a").await, "miss a");
    assert_eq!(ask(&b, ReplyKind::List, "1", NOW, "b").await, "miss b");
    assert_eq!(ask(&a, ReplyKind::List, "1", NOW, "").await, "memory a");
    assert_eq!(ask(&b, ReplyKind::List, "1", NOW, "").await, "memory b");
    let lists = |cache: &TenantCache| cache.figures().kinds[ReplyKind::List as usize].clone();
    assert_eq!((lists(&a).miss, lists(&a).memory, lists(&b).miss), (1, 1, 1));
    assert_eq!(a.figures().entries, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_thousand_requests_at_the_same_time_one_computes() {
    let cache = ResponseCache::new(MIB, None).for_tenant([1; 32]);
    let computed = Arc::new(AtomicUsize::new(0));
    let tasks = (0..1_000).map(|_| {
        let (cache, computed) = (cache.clone(), Arc::clone(&computed));
        tokio::spawn(async move {
            match cache.look_up(ReplyKind::List, RESOURCE, "1", NOW).await {
                LookUp::Found(found) => assert_eq!(found.reply(), &reply("a")),
                LookUp::Missing(computation) => {
                    computed.fetch_add(1, Ordering::SeqCst);
                    for _ in 0..100 {
                        tokio::task::yield_now().await;
                    }
                    computation.finish(reply("a"), None, NOW);
                }
                LookUp::Ended => panic!("the computation was finished"),
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert_eq!(computed.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn whoever_waits_goes_on_when_the_computation_is_dropped() {
    let cache = ResponseCache::new(MIB, None).for_tenant([1; 32]);
    let LookUp::Missing(first) = cache.look_up(ReplyKind::List, RESOURCE, "1", NOW).await else {
        panic!("it is not kept")
    };
    let look_up = cache.look_up(ReplyKind::List, RESOURCE, "1", NOW);
    let mut waiting = std::pin::pin!(look_up);
    assert!(futures_poll(waiting.as_mut()).is_none());
    drop(first);
    assert!(matches!(waiting.await, LookUp::Ended));
    assert_eq!(ask(&cache, ReplyKind::List, "1", NOW, "a").await, "miss a");
    // A reply that is too large is not kept, but those who wait get it.
    let LookUp::Missing(first) = cache.look_up(ReplyKind::List, RESOURCE, "2", NOW).await else {
        panic!("it is not kept")
    };
    let look_up = cache.look_up(ReplyKind::List, RESOURCE, "2", NOW);
    let mut waiting = std::pin::pin!(look_up);
    assert!(futures_poll(waiting.as_mut()).is_none());
    first.finish(reply(&"x".repeat(100_000)), None, NOW);
    let LookUp::Found(found) = waiting.await else { panic!("it was computed") };
    assert_eq!((found.reply().body.len(), found.origin), (100_000, Origin::Shared));
    assert_eq!(ask(&cache, ReplyKind::List, "2", NOW, "b").await, "miss b");
}

/// Polls a future once.
fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

fn with_redis(socket: &Path) -> TenantCache {
    let url = RedisUrl::new(&format!("redis+unix://{}", socket.display())).unwrap();
    ResponseCache::new(MIB, Some(RedisValues::with_deadline(&url, PATIENCE))).for_tenant([1; 32])
}

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

/// Sends commands to Redis, and returns the reply to the last one.
async fn commands(socket: &Path, commands: &[&[&[u8]]]) -> String {
    let mut stream = tokio::net::UnixStream::connect(socket).await.unwrap();
    let mut last = String::new();
    for command in commands {
        let mut bytes = format!("*{}\r\n", command.len()).into_bytes();
        for part in *command {
            bytes.extend(format!("${}\r\n", part.len()).into_bytes());
            bytes.extend(*part);
            bytes.extend(b"\r\n");
        }
        stream.write_all(&bytes).await.unwrap();
        let mut reply = vec![0; 64 * 1024];
        let count = stream.read(&mut reply).await.unwrap();
        last = String::from_utf8_lossy(&reply[..count]).into_owned();
    }
    last
}

/// Waits until Redis has a value that ends with this text, and returns its key.
async fn written(socket: &Path, text: &str) -> String {
    loop {
        let keys = commands(socket, &[&[b"KEYS", b"carrel:reply:*"]]).await;
        for key in keys.split("\r\n").filter(|line| line.starts_with("carrel:reply:")) {
            let value = commands(socket, &[&[b"GET", key.as_bytes()]]).await;
            if value.trim_end().ends_with(text) {
                return key.to_owned();
            }
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn processes_share_replies_in_redis() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let Some(mut server) = start(folder.path()) else {
        eprintln!("skipped: neither redis-server nor valkey-server is installed");
        return;
    };
    let first = with_redis(&socket);
    assert_eq!(ask(&first, ReplyKind::List, "1", NOW, "reply a").await, "miss reply a");
    let key = written(&socket, "reply a").await;
    let other = with_redis(&socket);
    assert_eq!(ask(&other, ReplyKind::List, "1", NOW, "reply b").await, "redis reply a");
    assert_eq!(ask(&other, ReplyKind::List, "1", NOW, "reply b").await, "memory reply a");
    // Another tenant does not find it.
    let url = RedisUrl::new(&format!("redis+unix://{}", socket.display())).unwrap();
    let values = RedisValues::with_deadline(&url, PATIENCE);
    let tenant = ResponseCache::new(MIB, Some(values)).for_tenant([2; 32]);
    assert_eq!(ask(&tenant, ReplyKind::List, "1", NOW, "reply c").await, "miss reply c");
    assert_ne!(written(&socket, "reply c").await, key);
    // The reply is not used after its time, whatever the clock of Redis is.
    let later = with_redis(&socket);
    let end = NOW + 600_000;
    assert_eq!(ask(&later, ReplyKind::List, "1", end, "reply d").await, "miss reply d");
    assert_eq!(written(&socket, "reply d").await, key);

    // What others write is not used.
    commands(&socket, &[&[b"SET", key.as_bytes(), b"{\"items\":[]}"]]).await;
    let reader = with_redis(&socket);
    assert_eq!(ask(&reader, ReplyKind::List, "1", end, "reply e").await, "miss reply e");
    assert_eq!(written(&socket, "reply e").await, key);
    let list: &[&[&[u8]]] = &[&[b"DEL", key.as_bytes()], &[b"LPUSH", key.as_bytes(), b"x"]];
    commands(&socket, list).await;
    let reader = with_redis(&socket);
    assert_eq!(ask(&reader, ReplyKind::List, "1", end, "reply f").await, "miss reply f");
    assert_eq!(reader.figures().redis_failures, 1);

    // While Redis has all its memory in use, and after its end, replies are computed.
    commands(&socket, &[&[b"CONFIG", b"SET", b"maxmemory", b"1"]]).await;
    let full = with_redis(&socket);
    assert_eq!(ask(&full, ReplyKind::List, "full", NOW, "g").await, "miss g");
    assert_eq!(ask(&full, ReplyKind::List, "full", NOW, "h").await, "memory g");
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(ask(&first, ReplyKind::List, "ended", NOW, "i").await, "miss i");
    assert_eq!(ask(&first, ReplyKind::List, "ended", NOW, "j").await, "memory i");
}

#[tokio::test]
async fn a_redis_that_is_missing_silent_or_wrong_delays_no_reply_for_long() {
    let folder = tempfile::tempdir().unwrap();
    let missing = with_redis(&folder.path().join("missing"));
    assert_eq!(ask(&missing, ReplyKind::List, "1", NOW, "a").await, "miss a");
    assert_eq!(missing.figures().redis_failures, 1);

    let silent = folder.path().join("silent");
    let listener = UnixListener::bind(&silent).unwrap();
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            open.push(stream);
        }
    });
    let url = RedisUrl::new(&format!("redis+unix://{}", silent.display())).unwrap();
    let cache = ResponseCache::new(MIB, Some(RedisValues::new(&url))).for_tenant([1; 32]);
    // The first request waits for the deadline; then nothing is sent for a while.
    for state in 0..100 {
        let state = state.to_string();
        assert_eq!(ask(&cache, ReplyKind::List, &state, NOW, "a").await, "miss a");
    }
    assert_eq!(cache.figures().redis_failures, 100);
    assert!(accepted.load(Ordering::SeqCst) < 100);

    for garbage in ["-ERR no\r\n", "$5\r\nab", "$99999999999\r\n", "+OK\r\n", "\0\0\0", "*2\r\n"] {
        let wrong = folder.path().join(format!("wrong-{}", garbage.len()));
        let _ = std::fs::remove_file(&wrong);
        let listener = UnixListener::bind(&wrong).unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut bytes = [0; 1024];
                let _ = stream.read(&mut bytes).await;
                let _ = stream.write_all(garbage.as_bytes()).await;
            }
        });
        let cache = with_redis(&wrong);
        assert_eq!(ask(&cache, ReplyKind::List, "1", NOW, "a").await, "miss a", "{garbage:?}");
        assert_eq!(cache.figures().redis_failures, 1, "{garbage:?}");
    }
}

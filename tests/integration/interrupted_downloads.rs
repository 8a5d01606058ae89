//! A process that downloads a course is repeatedly killed after a random number of bytes. The next process resumes the
//! download and requests no byte that is on the disk; in the end every hash is correct. A proxy between the process and
//! the real server counts bytes.

use std::{
    collections::HashMap,
    io::Read,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
};

use carrel_model::BlobHash;
use carrel_testkit::{
    FakeClock, SeededRng, TestServer, content, device::PASSWORD, scratch::scratch,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use crate::client;

/// Default number of kills, 100 with `CARREL_LONG`; `CARREL_KILLS` overrides it.
const KILLS: u64 = 25;
/// Size of each of the three recordings in bytes.
const RECORDING: u32 = 3_000_000;

/// Forwards a limited number of bytes from the server, then signals `exhausted` and forwards no more.
struct Proxy {
    url: String,
    traffic: Arc<Mutex<Traffic>>,
    exhausted: watch::Sender<u64>,
}

#[derive(Default)]
struct Traffic {
    /// Number of the run.
    number: u64,
    remaining: u64,
    forwarded: u64,
    /// Requested blobs, each with the first requested byte.
    requests: Vec<(BlobHash, u64)>,
}

impl Proxy {
    async fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let (traffic, exhausted) =
            (Arc::new(Mutex::new(Traffic::default())), watch::Sender::new(0));
        let to = server.trim_start_matches("http://").to_owned();
        let (shared, sender) = (traffic.clone(), exhausted.clone());
        tokio::spawn(async move {
            while let Ok((client_side, _)) = listener.accept().await {
                let Ok(server_side) = TcpStream::connect(&to).await else { continue };
                let (client_read, client_write) = client_side.into_split();
                let (server_read, server_write) = server_side.into_split();
                tokio::spawn(forward_requests(client_read, server_write, shared.clone()));
                tokio::spawn(forward_replies(
                    server_read,
                    client_write,
                    shared.clone(),
                    sender.clone(),
                ));
            }
        });
        Self { url, traffic, exhausted }
    }
    /// Starts a run with a limit of `bytes`. Returns the requests and forwarded bytes of the previous run.
    fn allow(&self, bytes: u64) -> (Vec<(BlobHash, u64)>, u64) {
        let mut traffic = lock(&self.traffic);
        let before = std::mem::take(&mut *traffic);
        *traffic = Traffic { number: before.number + 1, remaining: bytes, ..Traffic::default() };
        (before.requests, before.forwarded)
    }
}

fn lock(traffic: &Mutex<Traffic>) -> std::sync::MutexGuard<'_, Traffic> {
    traffic.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Copies from the device to the server and records requests for blobs.
async fn forward_requests(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    traffic: Arc<Mutex<Traffic>>,
) {
    let (mut buffer, mut text) = (vec![0; 16 * 1024], String::new());
    loop {
        let n = match from.read(&mut buffer).await {
            Ok(n) if n > 0 => n,
            _ => return,
        };
        text.push_str(&String::from_utf8_lossy(&buffer[..n]));
        while let Some(end) = text.find("\r\n\r\n") {
            let head: String = text.drain(..end + 4).collect();
            let blob = head.split("GET /api/blobs/").nth(1).and_then(|r| r.split(' ').next());
            if let Some(hash) = blob.and_then(|h| h.parse().ok()) {
                let range = head.to_lowercase();
                let range = range.split("\r\nrange: bytes=").nth(1);
                let from = range.and_then(|r| r.split('-').next()?.parse().ok()).unwrap_or(0);
                lock(&traffic).requests.push((hash, from));
            }
        }
        if to.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}

/// Copies from the server to the device, up to the limit.
async fn forward_replies(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    traffic: Arc<Mutex<Traffic>>,
    exhausted: watch::Sender<u64>,
) {
    let number = lock(&traffic).number;
    let mut buffer = vec![0; 8 * 1024];
    loop {
        let n = match from.read(&mut buffer).await {
            Ok(n) if n > 0 => n,
            _ => return,
        };
        let (allowed, is_exhausted) = {
            let mut traffic = lock(&traffic);
            if traffic.number != number {
                return;
            }
            let allowed = (n as u64).min(traffic.remaining);
            traffic.remaining -= allowed;
            traffic.forwarded += allowed;
            (allowed as usize, traffic.remaining == 0)
        };
        if to.write_all(&buffer[..allowed]).await.is_err() {
            return;
        }
        if is_exhausted {
            exhausted.send_replace(number);
            // Keeps the connection open until the process is killed.
            let _ = exhausted.subscribe().wait_for(|n| *n > number).await;
            return;
        }
    }
}

/// Returns the content on the disk: complete blobs, and the lengths of partial files.
fn read_disk(dir: &Path) -> (Vec<BlobHash>, HashMap<BlobHash, u64>) {
    let cache = dir.join("cache");
    let conn = carrel_sqlite::open(&cache.join("content.db"), carrel_sqlite::Options::default())
        .expect("the file opens");
    carrel_sqlite::integrity_check(&conn).expect("the file is intact");
    let mut rows = conn.prepare("SELECT hash FROM blob").expect("the blobs");
    let complete = rows.query_map([], |r| r.get(0).map(BlobHash)).expect("the blobs");
    let complete = complete.collect::<Result<_, _>>().expect("the blobs");
    let folders = std::fs::read_dir(cache.join("blobs")).into_iter().flatten().flatten();
    let files = folders.filter_map(|f| std::fs::read_dir(f.path()).ok()).flatten().flatten();
    let parts = files.filter_map(|f| {
        let name = f.file_name().into_string().ok()?;
        Some((name.strip_suffix(".part")?.parse().ok()?, f.metadata().ok()?.len()))
    });
    (complete, parts.filter(|(_, len)| *len > 0).collect())
}

/// Writes the library with recordings that are long enough for many interruptions.
fn write_packages(dir: &Path) {
    content::write_library(dir).expect("a library");
    for (n, lesson) in content::LESSONS.iter().enumerate() {
        let mut wav = Vec::with_capacity(44 + RECORDING as usize);
        wav.extend_from_slice(b"RIFF");
        wav.extend_from_slice(&(36 + RECORDING).to_le_bytes());
        wav.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
        wav.extend_from_slice(&8_000_u32.to_le_bytes());
        wav.extend_from_slice(&16_000_u32.to_le_bytes());
        wav.extend_from_slice(b"\x02\0\x10\0data");
        wav.extend_from_slice(&RECORDING.to_le_bytes());
        let rng = SeededRng::new(n as u64);
        wav.extend((0..RECORDING / 8).flat_map(|_| rng.below(u64::MAX).to_le_bytes()));
        std::fs::write(dir.join(content::COURSE).join(lesson).join("stream.wav"), wav)
            .expect("a recording");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_download_requests_no_byte_twice() {
    let many = if std::env::var_os("CARREL_LONG").is_some() { 100 } else { KILLS };
    let kills = std::env::var("CARREL_KILLS").ok().and_then(|k| k.parse().ok()).unwrap_or(many);
    let clock = FakeClock::new(
        carrel_system::Clock::now_ms(&carrel_system::SystemClock::new()) + 3_600_000,
    );
    let server = TestServer::empty(&clock).await;
    let (dir, packages) = (scratch(), scratch());
    write_packages(packages.path());
    server.import(&[packages.path().join(content::COURSE)]).await;
    let proxy = Proxy::start(&server.url()).await;
    let rng = SeededRng::new(5);
    let max_bytes = 2 * 3 * u64::from(RECORDING) / kills;

    let mut on_disk = (Vec::new(), HashMap::new());
    let (mut resumed, mut transferred) = (0, 0);
    for run in 0..=kills {
        let last = run == kills;
        proxy.allow(if last { u64::MAX } else { 4_000 + rng.below(max_bytes) });
        let number = lock(&proxy.traffic).number;
        let mut command = Command::new(env!("CARGO_BIN_EXE_crash_target"));
        command.arg("download").arg(dir.path()).arg(content::COURSE).stdout(Stdio::piped());
        if run == 0 {
            command.args([proxy.url.as_str(), "asha", PASSWORD]);
            // The registration must not be interrupted.
            lock(&proxy.traffic).remaining += 4_000;
        }
        let mut child = command.spawn().expect("the process starts");
        let mut out = child.stdout.take().expect("its output");
        // Reads until the process ends.
        let output = tokio::task::spawn_blocking(move || {
            let mut output = String::new();
            out.read_to_string(&mut output).map(|_| output)
        });
        let mut exhausted = proxy.exhausted.subscribe();
        let output = tokio::select! {
            output = output => output.expect("its output").expect("its output"),
            _ = exhausted.wait_for(|n| *n >= number) => String::new(),
        };
        // SIGKILL.
        let _ = child.kill();
        let status = child.wait().expect("its exit status");
        let exited = (!output.is_empty()).then_some(status);
        assert!(exited.is_none_or(|s| s.success()), "run {run} failed: {output} {status}");
        let (requests, forwarded) = proxy.allow(0);
        proxy.exhausted.send_replace(number + 1);
        transferred += forwarded;
        let mut seen: HashMap<BlobHash, u64> = HashMap::new();
        for (hash, from) in &requests {
            assert!(!on_disk.0.contains(hash), "run {run}: {hash} is stored and was requested");
            let stored = seen.get(hash).or_else(|| on_disk.1.get(hash)).copied().unwrap_or(0);
            assert!(*from >= stored, "run {run}: {hash} from {from}, {stored} bytes are stored");
            resumed += u64::from(*from > 0);
            seen.insert(*hash, *from);
        }
        on_disk = read_disk(dir.path());
        if last {
            assert!(exited.is_some(), "the last process completes the download");
        }
    }
    let client = client::open(dir.path(), client::live_http(), &clock, 7, false).await;
    let account = client.account().expect("the account opens");
    let downloads = &account.content.downloads;
    let course = carrel_content::download::DownloadTarget::whole(
        carrel_content::Kind::Course,
        &content::course(),
    );
    assert!(downloads.state_of(&course).expect("a state").ready_version.is_some());
    let verification = downloads.verify(&course).await.expect("a proof");
    assert!(verification.missing_files.is_empty(), "{:?}", verification.missing_files);
    assert!(resumed > 0, "no request was resumed");
    print_summary(kills, resumed, transferred, verification.bytes);
}

#[expect(clippy::print_stdout, reason = "the log of a run contains its statistics")]
fn print_summary(kills: u64, resumed: u64, transferred: u64, bytes: u64) {
    println!(
        "{kills} kills, {resumed} resumed requests, {transferred} bytes transferred for {bytes} bytes of content"
    );
}

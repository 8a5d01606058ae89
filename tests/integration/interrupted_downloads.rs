//! A process that downloads a course, killed after a random number of bytes repeatedly: it resumes, requests no byte
//! that is already on the disk, and in the end every hash is correct. A proxy between it and the real server counts
//! bytes.

use std::{
    collections::HashMap,
    io::Read,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
};

use carrel_model::BlobHash;
use carrel_testkit::{SeededRng, FakeClock, TestServer, content, device::PASSWORD, scratch::scratch};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use crate::desk;

/// Number of kills; `CARREL_KILLS` in the environment changes it. A long run uses a hundred.
const KILLS: u64 = 25;
/// Bytes of each of the three recordings.
const RECORDING: u32 = 3_000_000;

/// Passes a limited number of bytes from the server, then none, and signals that.
struct Proxy {
    url: String,
    life: Arc<Mutex<Life>>,
    dry: watch::Sender<u64>,
}

#[derive(Default)]
struct Life {
    number: u64,
    left: u64,
    passed: u64,
    /// Requested blobs, each with the first byte.
    asked: Vec<(BlobHash, u64)>,
}

impl Proxy {
    async fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let (life, dry) = (Arc::new(Mutex::new(Life::default())), watch::Sender::new(0));
        let to = server.trim_start_matches("http://").to_owned();
        let (lives, tell) = (life.clone(), dry.clone());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = TcpStream::connect(&to).await else { continue };
                let (near_read, near_write) = near.into_split();
                let (far_read, far_write) = far.into_split();
                tokio::spawn(hear(near_read, far_write, lives.clone()));
                tokio::spawn(pass(far_read, near_write, lives.clone(), tell.clone()));
            }
        });
        Self { url, life, dry }
    }
    /// Sets the number of bytes for a new process. Returns the requests of the previous one and its number of bytes.
    fn allow(&self, bytes: u64) -> (Vec<(BlobHash, u64)>, u64) {
        let mut life = lock(&self.life);
        let before = std::mem::take(&mut *life);
        *life = Life { number: before.number + 1, left: bytes, ..Life::default() };
        (before.asked, before.passed)
    }
}

fn lock(life: &Mutex<Life>) -> std::sync::MutexGuard<'_, Life> {
    life.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Copies from the device to the server and records requests for blobs.
async fn hear(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    life: Arc<Mutex<Life>>,
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
                lock(&life).asked.push((hash, from));
            }
        }
        if to.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}

/// Copies from the server to the device, up to the limit.
async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    life: Arc<Mutex<Life>>,
    dry: watch::Sender<u64>,
) {
    let number = lock(&life).number;
    let mut buffer = vec![0; 8 * 1024];
    loop {
        let n = match from.read(&mut buffer).await {
            Ok(n) if n > 0 => n,
            _ => return,
        };
        let (may, is_dry) = {
            let mut life = lock(&life);
            if life.number != number {
                return;
            }
            let may = (n as u64).min(life.left);
            life.left -= may;
            life.passed += may;
            (may as usize, life.left == 0)
        };
        if to.write_all(&buffer[..may]).await.is_err() {
            return;
        }
        if is_dry {
            dry.send_replace(number);
            // The connection stays open and silent until the process is killed.
            let _ = dry.subscribe().wait_for(|n| *n > number).await;
            return;
        }
    }
}

/// Returns the content on the disk: whole blobs, and the lengths of unfinished files.
fn look(dir: &Path) -> (Vec<BlobHash>, HashMap<BlobHash, u64>) {
    let cache = dir.join("cache");
    let conn = carrel_sqlite::open(&cache.join("content.db"), carrel_sqlite::Options::default())
        .expect("the file opens");
    carrel_sqlite::integrity_check(&conn).expect("the file is sound");
    let mut rows = conn.prepare("SELECT hash FROM blob").expect("the blobs");
    let whole = rows.query_map([], |r| r.get(0).map(BlobHash)).expect("the blobs");
    let whole = whole.collect::<Result<_, _>>().expect("the blobs");
    let folders = std::fs::read_dir(cache.join("blobs")).into_iter().flatten().flatten();
    let files = folders.filter_map(|f| std::fs::read_dir(f.path()).ok()).flatten().flatten();
    let parts = files.filter_map(|f| {
        let name = f.file_name().into_string().ok()?;
        Some((name.strip_suffix(".part")?.parse().ok()?, f.metadata().ok()?.len()))
    });
    (whole, parts.filter(|(_, len)| *len > 0).collect())
}

/// Writes a course whose recordings are long enough to be interrupted often.
fn write_books(dir: &Path) {
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
    let (dir, books) = (scratch(), scratch());
    write_books(books.path());
    server.import(&[books.path().join(content::COURSE)]).await;
    let proxy = Proxy::start(&server.url()).await;
    let rng = SeededRng::new(5);
    let each = 2 * 3 * u64::from(RECORDING) / kills;

    let mut here = (Vec::new(), HashMap::new());
    let (mut resumed, mut wire) = (0, 0);
    for life in 0..=kills {
        let last = life == kills;
        proxy.allow(if last { u64::MAX } else { 4_000 + rng.below(each) });
        let number = lock(&proxy.life).number;
        let mut command = Command::new(env!("CARGO_BIN_EXE_mortal"));
        command.arg("fetch").arg(dir.path()).arg(content::COURSE).stdout(Stdio::piped());
        if life == 0 {
            command.args([proxy.url.as_str(), "asha", PASSWORD]);
            // The registration must not be interrupted.
            lock(&proxy.life).left += 4_000;
        }
        let mut child = command.spawn().expect("the process starts");
        let mut out = child.stdout.take().expect("its output");
        // Its output ends with the process.
        let said = tokio::task::spawn_blocking(move || {
            let mut said = String::new();
            out.read_to_string(&mut said).map(|_| said)
        });
        let mut dry = proxy.dry.subscribe();
        let said = tokio::select! {
            said = said => said.expect("its output").expect("its output"),
            _ = dry.wait_for(|n| *n >= number) => String::new(),
        };
        // SIGKILL.
        let _ = child.kill();
        let status = child.wait().expect("its end");
        let ended = (!said.is_empty()).then_some(status);
        assert!(ended.is_none_or(|s| s.success()), "life {life} ended badly: {said} {status}");
        let (asked, passed) = proxy.allow(0);
        proxy.dry.send_replace(number + 1);
        wire += passed;
        let mut seen: HashMap<BlobHash, u64> = HashMap::new();
        for (hash, from) in &asked {
            assert!(!here.0.contains(hash), "life {life}: {hash} is on the disk and is asked for");
            let had = seen.get(hash).or_else(|| here.1.get(hash)).copied().unwrap_or(0);
            assert!(*from >= had, "life {life}: {hash} from {from}, {had} bytes are here");
            resumed += u64::from(*from > 0);
            seen.insert(*hash, *from);
        }
        here = look(dir.path());
        if last {
            assert!(ended.is_some(), "the last life goes to its end");
        }
    }
    let core = desk::open(dir.path(), desk::live(), &clock, 7, false).await;
    let account = core.account().expect("the account opens");
    let downloads = &account.content.downloads;
    let course =
        carrel_content::download::DownloadTarget::whole(carrel_content::Kind::Course, &content::course());
    assert!(downloads.state_of(&course).expect("a state").ready_version.is_some());
    let verification = downloads.verify(&course).await.expect("a proof");
    assert!(verification.lacks.is_empty(), "{:?}", verification.lacks);
    assert!(resumed > 0, "something was resumed");
    tell(kills, resumed, wire, verification.bytes);
}

#[expect(clippy::print_stdout, reason = "what a run was made of belongs into its log")]
fn tell(kills: u64, resumed: u64, wire: u64, bytes: u64) {
    println!("{kills} kills, {resumed} resumed requests, {wire} bytes on the wire for {bytes}");
}

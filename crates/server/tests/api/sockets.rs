//! Clients that send nothing, send slowly, or do not read: on real sockets, with deadlines of one second.

use std::{net::SocketAddr, time::Duration};

use carrel_server::{Config, RunningServer, Server, Settings};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use super::support::{config, wav, write_course};

/// Time after which a test fails.
const TEST_TIMEOUT: Duration = Duration::from_secs(30);

struct StartedServer {
    _dir: tempfile::TempDir,
    server: RunningServer,
}

async fn start(settings: Settings) -> StartedServer {
    let dir = tempfile::tempdir().unwrap();
    let settings = Config { settings, ..config(dir.path().join("data")) };
    let server = Server::start(settings).await.unwrap();
    StartedServer { _dir: dir, server }
}

fn short_deadlines() -> Settings {
    Settings {
        head_timeout_s: 1,
        idle_timeout_s: 1,
        write_timeout_s: 1,
        request_timeout_s: 1,
        ..Settings::default()
    }
}

async fn connect(to: SocketAddr) -> TcpStream {
    TcpStream::connect(to).await.unwrap()
}

/// Returns what the server sends until it closes the connection.
async fn read_to_end(socket: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let read = timeout(TEST_TIMEOUT, socket.read_to_end(&mut all)).await;
    // A reset also ends the connection.
    let _ = read.expect("the server did not close the connection");
    all
}

/// Checks that a new client gets a reply within a second.
async fn assert_served(server: &RunningServer) {
    let exchange = async {
        let mut socket = connect(server.addr).await;
        let request = b"GET /api/meta HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        socket.write_all(request).await.unwrap();
        let mut reply = Vec::new();
        socket.read_to_end(&mut reply).await.unwrap();
        reply
    };
    let reply = timeout(Duration::from_secs(1), exchange).await.expect("no reply within a second");
    assert!(reply.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&reply));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_sockets_do_not_block_other_clients() {
    // No connection reaches the default deadlines in this test; connections are closed only to admit new ones.
    let running = start(Settings { max_connections: 1_000, ..Settings::default() }).await;
    let mut silent = Vec::new();
    for _ in 0..1_100 {
        silent.push(connect(running.server.addr).await);
    }
    assert_served(&running.server).await;
    assert!(running.server.connections() <= 1_000);
    // The oldest connections were closed to admit the newest.
    assert_eq!(read_to_end(&mut silent[0]).await, b"");
}

#[tokio::test]
async fn every_connection_without_a_complete_head_is_closed() {
    let running = start(short_deadlines()).await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let mut settings_sent = preface.clone();
    settings_sent.extend([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    for (name, sent) in [
        ("nothing", Vec::new()),
        ("a byte", b"G".to_vec()),
        ("half of the HTTP/2 preface", preface[..10].to_vec()),
        ("the HTTP/2 preface", preface),
        ("an HTTP/2 connection without a stream", settings_sent),
        ("half of a head", b"GET /api/meta HTTP/1.1\r\nhost: x\r\n".to_vec()),
        ("a TLS hello", vec![0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03]),
        ("a TLS record header", vec![0x16, 0x03, 0x01]),
    ] {
        let mut socket = connect(running.server.addr).await;
        socket.write_all(&sent).await.unwrap();
        let reply = read_to_end(&mut socket).await;
        assert!(!reply.starts_with(b"HTTP/1.1 200"), "{name}");
    }
    assert_served(&running.server).await;
}

#[tokio::test]
async fn a_slow_head_is_closed_at_the_deadline() {
    let running = start(short_deadlines()).await;
    let mut socket = connect(running.server.addr).await;
    let slow_writes = async {
        // Sends a byte every 100 ms and never completes the head.
        socket.write_all(b"GET /api/meta HTTP/1.1\r\nx: ").await?;
        let mut interval = tokio::time::interval(Duration::from_millis(100));
        loop {
            interval.tick().await;
            socket.write_all(b"x").await?;
        }
        #[expect(unreachable_code, reason = "names the type of the block")]
        Ok::<(), std::io::Error>(())
    };
    timeout(TEST_TIMEOUT, slow_writes)
        .await
        .expect("the server did not close the connection")
        .unwrap_err();
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let running = start(short_deadlines()).await;
    let mut socket = connect(running.server.addr).await;
    for _ in 0..2 {
        socket.write_all(b"GET /api/meta HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    }
    let reply = read_to_end(&mut socket).await;
    assert_eq!(String::from_utf8_lossy(&reply).matches("HTTP/1.1 200").count(), 2);
}

#[tokio::test]
async fn a_slow_body_gets_408_and_the_connection_is_closed() {
    let running = start(short_deadlines()).await;
    for head in [
        "POST /api/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{",
        "POST /api/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n",
        // The handler does not read the body, so the reply is sent before the request is complete.
        "GET /api/meta HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{",
    ] {
        let mut socket = connect(running.server.addr).await;
        socket.write_all(head.as_bytes()).await.unwrap();
        let reply = String::from_utf8_lossy(&read_to_end(&mut socket).await).into_owned();
        let status = if head.starts_with("GET") { "HTTP/1.1 200" } else { "HTTP/1.1 408" };
        assert!(reply.starts_with(status), "{head:?}: {reply:?}");
    }
}

/// Starts a server with a course that contains a recording of several megabytes. Also returns path and size of that
/// blob.
async fn with_a_large_blob() -> (StartedServer, String, usize) {
    let running = start(short_deadlines()).await;
    let package = running._dir.path().join("package");
    write_course(&package);
    let recording = wav(2 * 1024 * 1024);
    std::fs::write(package.join("rain.wav"), recording).unwrap();
    let report = running.server.import(&[package]).await.unwrap();
    assert!(report.is_ok(), "{report:?}");
    let blobs = running.server.data().config.data_dir.join("blobs");
    let largest = walkdir::WalkDir::new(blobs)
        .into_iter()
        .flatten()
        .filter(|e| e.file_type().is_file())
        .max_by_key(|e| e.metadata().map_or(0, |m| m.len()))
        .unwrap();
    let size = largest.metadata().unwrap().len() as usize;
    let path = format!("/api/blobs/{}", largest.file_name().to_string_lossy());
    (running, path, size)
}

/// Returns a socket with a small receive buffer.
async fn connect_with_small_buffer(to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(32 * 1024).unwrap();
    socket.connect(to).await.unwrap()
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed_and_one_that_reads_slowly_is_not() {
    let (running, path, size) = with_a_large_blob().await;
    let get = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let mut non_reader = connect_with_small_buffer(running.server.addr).await;
    non_reader.write_all(get.as_bytes()).await.unwrap();
    // This client only writes, so it detects the close by a write error.
    let writing = async {
        let mut interval = tokio::time::interval(Duration::from_millis(100));
        loop {
            interval.tick().await;
            if non_reader.write_all(b"x").await.is_err() {
                break;
            }
        }
    };
    timeout(TEST_TIMEOUT, writing).await.expect("a client that does not read stays connected");
    assert!(read_to_end(&mut non_reader).await.len() < size);
    // A slow reader takes longer than all deadlines together and receives the whole blob.
    let mut slow = connect_with_small_buffer(running.server.addr).await;
    slow.write_all(get.as_bytes()).await.unwrap();
    let (mut received, mut buffer) = (0, vec![0; 64 * 1024]);
    let mut interval = tokio::time::interval(Duration::from_millis(100));
    loop {
        interval.tick().await;
        match slow.read(&mut buffer).await.unwrap() {
            0 => break,
            n => received += n,
        }
    }
    assert!(received > size, "{received} of {size}");
}

#[tokio::test]
async fn an_http2_client_that_sends_no_window_update_is_closed() {
    let (running, path, _) = with_a_large_blob().await;
    let mut socket = connect(running.server.addr).await;
    let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    // SETTINGS, then HEADERS of stream 1: ":method GET", ":scheme http", ":path", ":authority x" without Huffman.
    sent.extend([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    let mut block = vec![0x82, 0x86, 0x04, path.len() as u8];
    block.extend(path.bytes());
    block.extend([0x01, 1, b'x']);
    sent.extend([0, 0, block.len() as u8, 1, 5, 0, 0, 0, 1]);
    sent.extend(block);
    socket.write_all(&sent).await.unwrap();
    // The client reads all data that the initial window allows, and sends no WINDOW_UPDATE.
    let reply = read_to_end(&mut socket).await;
    assert!(reply.len() > 60_000 && reply.len() < 200_000, "{}", reply.len());
}

#[cfg(unix)]
#[tokio::test]
async fn silent_sockets_do_not_block_a_server_with_few_descriptors() {
    use std::{io::BufRead, process::Stdio};
    let dir = tempfile::tempdir().unwrap();
    let script = format!(
        "ulimit -n 300 && exec {} serve --data {} --listen 127.0.0.1:0",
        env!("CARGO_BIN_EXE_carrel-server"),
        dir.path().join("data").display()
    );
    let mut child = std::process::Command::new("sh")
        .args(["-c", &script])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().rsplit("http://").next().unwrap().parse().unwrap();
    let mut silent = Vec::new();
    for _ in 0..600 {
        silent.push(connect(address).await);
    }
    let mut socket = connect(address).await;
    let request = b"GET /api/meta HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    socket.write_all(request).await.unwrap();
    let reply = read_to_end(&mut socket).await;
    let _ = child.kill();
    let _ = child.wait();
    assert!(reply.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&reply));
}

#[tokio::test]
async fn heads_that_are_too_large_get_problem_details() {
    let running = start(Settings::default()).await;
    let long = "x".repeat(9_000);
    let lines =
        |n: usize, value: &str| (0..n).map(|i| format!("x-{i}: {value}\r\n")).collect::<String>();
    for (name, target, headers, status) in [
        ("path", format!("/api/search?q={long}"), String::new(), "414"),
        ("unknown path", format!("/{long}"), String::new(), "414"),
        ("header", "/api/meta".into(), lines(5, &long), "431"),
        ("many headers", "/api/meta".into(), lines(150, "a"), "431"),
    ] {
        let mut socket = connect(running.server.addr).await;
        let head =
            format!("GET {target} HTTP/1.1\r\nhost: x\r\n{headers}connection: close\r\n\r\n");
        socket.write_all(head.as_bytes()).await.unwrap();
        let reply = String::from_utf8_lossy(&read_to_end(&mut socket).await).into_owned();
        assert!(reply.starts_with(&format!("HTTP/1.1 {status}")), "{name}: {reply}");
        assert!(reply.contains("application/problem+json"), "{name}: {reply}");
        assert!(reply.contains("/problems/too_large"), "{name}: {reply}");
    }
}

#[tokio::test]
async fn a_426_contains_the_protocol_to_upgrade_to() {
    let running = start(Settings { registration_open: true, ..Settings::default() }).await;
    let mut socket = connect(running.server.addr).await;
    let body = r#"{"login":"noor","name":"Noor","password":"a good long password","deviceId":"00000000-0000-0000-0000-000000000001"}"#;
    let head = format!(
        "POST /api/auth/register HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let reply = String::from_utf8_lossy(&read_to_end(&mut socket).await).into_owned();
    let token = reply.split("\"accessToken\":\"").nth(1).unwrap().split('"').next().unwrap();
    let mut socket = connect(running.server.addr).await;
    let head = format!(
        "GET /api/sync/epoch HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nsync-version: 99\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut reply = String::new();
    while !reply.contains("\r\n\r\n") {
        let byte = timeout(TEST_TIMEOUT, socket.read_u8()).await.expect("no reply").unwrap();
        reply.push(char::from(byte).to_ascii_lowercase());
    }
    assert!(reply.starts_with("http/1.1 426"), "{reply}");
    assert!(reply.contains("upgrade: carrel-sync/2\r\n"), "{reply}");
    assert!(reply.contains("connection: upgrade\r\n"), "{reply}");
}

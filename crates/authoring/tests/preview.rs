//! Tests of the preview over HTTP: it follows changes, shows problems, and answers only requests for its own address.

use std::{fs, path::Path, sync::mpsc};

use carrel_authoring::{
    report::CheckReport,
    template::{self, TemplateKind},
    watch::Watch,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A running preview, and the reports of its checks.
struct Preview {
    port: u16,
    reports: mpsc::Receiver<CheckReport>,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Preview {
    async fn start(folder: &Path) -> Self {
        let watch = Watch::bind(vec![folder.to_owned()], 0).await.unwrap();
        let url = watch.url();
        let port = url.trim_end_matches('/').rsplit_once(':').unwrap().1.parse().unwrap();
        assert!(url.starts_with("http://127.0.0.1:"));
        let (sender, reports) = mpsc::channel();
        let task = tokio::spawn(watch.run(move |report| sender.send(report.clone()).unwrap()));
        Self { port, reports, task }
    }
    /// Returns the reply as text, with its headers.
    async fn request(&self, method: &str, path: &str, host: &str) -> String {
        self.send(&format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n")).await
    }
    /// Sends the start of a request and its headers.
    async fn send(&self, start: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let request = format!("{start}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).await.unwrap();
        String::from_utf8_lossy(&reply).into_owned()
    }
    async fn get(&self, path: &str) -> String {
        self.request("GET", path, &format!("127.0.0.1:{}", self.port)).await
    }
    /// Waits for the check after number `after` and returns its report.
    async fn changed(&self, after: u64) -> CheckReport {
        let reply = self.get(&format!("/changes?after={after}")).await;
        assert!(reply.ends_with(&format!("\r\n\r\n{}", after + 1)), "{reply}");
        self.reports.try_recv().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_preview_follows_changes_and_shows_problems() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("rivers");
    template::write(TemplateKind::Course, &root, Some("Rivers & <b>lakes</b>"), "en").unwrap();
    let preview = Preview::start(folder.path()).await;
    assert!(preview.changed(0).await.is_ok());
    let index = preview.get("/").await;
    assert!(
        index.contains("<a href=\"/package/0\">Rivers &amp; &lt;b&gt;lakes&lt;/b&gt;</a>"),
        "{index}"
    );
    let page = preview.get("/package/0").await;
    for part in [
        "data-generation=\"1\"",
        "<h2>A heading</h2>",
        "<math",
        "What is <strong>2 + 2</strong>?",
        "six / 6",
        "<dt>card</dt>",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }

    let text = root.join("first/read.md");
    let good = fs::read_to_string(&text).unwrap();
    fs::write(&text, good.replace("word:card", "word:none")).unwrap();
    let report = preview.changed(1).await;
    assert!(!report.is_ok());
    let page = preview.get("/").await;
    let line = format!("{}/first/read.md:5: error[word-unknown]", root.display());
    assert!(page.contains("<li class=\"error\">") && page.contains(&line), "{page}");

    fs::write(&text, good.replace("A heading", "Another heading")).unwrap();
    assert!(preview.changed(2).await.is_ok());
    assert!(preview.get("/package/0").await.contains("<h2>Another heading</h2>"));
    preview.task.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_preview_answers_ranges_of_blobs() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("rivers");
    template::write(TemplateKind::Course, &root, None, "en").unwrap();
    let drawing = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 2 1\"/>";
    fs::write(root.join("first/leaf.svg"), drawing).unwrap();
    let text = root.join("first/read.md");
    let with_image = fs::read_to_string(&text).unwrap() + "\n![A leaf](leaf.svg)\n";
    fs::write(&text, with_image).unwrap();
    let preview = Preview::start(folder.path()).await;
    assert!(preview.changed(0).await.is_ok());
    let page = preview.get("/package/0").await;
    let blob = page.split("src=\"").find(|part| part.starts_with("/blob/")).unwrap();
    let blob = blob.split('"').next().unwrap();
    let get = async |range: &str| {
        let port = preview.port;
        let host = format!("GET {blob} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n");
        let header =
            if range.is_empty() { String::new() } else { format!("Range: bytes={range}\r\n") };
        let reply = preview.send(&format!("{host}{header}")).await;
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        (head.to_lowercase(), body.to_owned())
    };
    let (head, whole) = get("").await;
    assert!(head.starts_with("http/1.1 200") && head.contains("accept-ranges: bytes"), "{head}");
    assert!(head.contains(&format!("content-length: {}", whole.len())), "{head}");
    assert!(whole.starts_with("<svg"), "{whole}");
    let last = whole.len() - 1;
    for (range, part) in [("0-3", 0..4), ("2-", 2..last + 1), ("-5", last - 4..last + 1)] {
        let (head, body) = get(range).await;
        let stated = format!("content-range: bytes {}-{}/{}", part.start, part.end - 1, last + 1);
        assert!(head.starts_with("http/1.1 206") && head.contains(&stated), "{range}: {head}");
        assert_eq!(body, whole[part], "{range}");
    }
    let (head, body) = get("9999-").await;
    assert!(head.starts_with("http/1.1 416") && body.is_empty(), "{head}");
    assert!(head.contains(&format!("content-range: bytes */{}", last + 1)), "{head}");
    preview.task.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_preview_answers_only_its_own_address() {
    let folder = tempfile::tempdir().unwrap();
    template::write(TemplateKind::Story, &folder.path().join("tale"), None, "en").unwrap();
    let preview = Preview::start(folder.path()).await;
    assert!(preview.changed(0).await.is_ok());
    let port = preview.port;
    for host in [format!("127.0.0.1:{port}"), format!("localhost:{port}")] {
        let reply = preview.request("GET", "/", &host).await;
        assert!(reply.starts_with("HTTP/1.1 200"), "{host}: {reply}");
        let headers = reply.split("\r\n\r\n").next().unwrap().to_lowercase();
        for header in [
            "content-security-policy: default-src 'none'; img-src 'self';",
            "frame-ancestors 'none'",
            "x-content-type-options: nosniff",
            "cross-origin-resource-policy: same-origin",
            "cache-control: no-store",
        ] {
            assert!(headers.contains(header), "{header}: {headers}");
        }
        assert!(
            !headers.contains("unsafe-inline") && !headers.contains("access-control"),
            "{headers}"
        );
    }
    for host in ["evil.example", "127.0.0.1", "localhost", "127.0.0.1:1", "evil.example:80", ""] {
        for path in ["/", "/package/0", "/changes?after=0", "/preview.js"] {
            let reply = preview.request("GET", path, host).await;
            assert!(!reply.starts_with("HTTP/1.1 200"), "{host} {path}: {reply}");
            assert!(!reply.contains("first sentence"), "{host} {path}: {reply}");
        }
    }
    let host = format!("127.0.0.1:{port}");
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let reply = preview.request(method, "/", &host).await;
        assert!(reply.starts_with("HTTP/1.1 405"), "{method}: {reply}");
    }
    for path in
        ["/package/1", "/package/x", "/blob/..%2f..%2fetc%2fpasswd", "/blob/00", "/../Cargo.toml"]
    {
        let reply = preview.get(path).await;
        assert!(reply.starts_with("HTTP/1.1 4"), "{path}: {reply}");
    }
    preview.task.abort();
}

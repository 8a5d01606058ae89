//! A simulated server of signed manifests and blobs. It injects faults and counts the bytes sent.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use carrel_content::Kind;
use carrel_model::{
    BlobHash, ItemId, Slug,
    content::{
        AudioRef, BlobRef, Block, CourseMeta, CourseOutline, Cover, Difficulty, LessonOutline,
        Manifest, ManifestBlob, ManifestContent, SectionBody, SectionOutline, SectionType,
        SignedManifest, StoryMeta,
    },
};
use carrel_net::{Body, Failure, FailureKind, Reply, Request};
use carrel_testkit::{
    Network,
    reply::{header, json, pieces, reply, requested_range, with_body},
};
use ed25519_dalek::{Signer, SigningKey};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderName, header};
use tokio::sync::Semaphore;

pub const BASE: &str = "http://fake.test";
const PIECE: usize = 16 * 1024;

/// A fault of the reply to a request for a blob.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The connection breaks after this many bytes of the body.
    Cut(u64),
    /// One bit of this byte of the blob is flipped.
    Flip(u64),
    /// Body and `Content-Length` are this many bytes too short.
    Short(u64),
    /// Body and `Content-Length` are this many bytes too long.
    Long(u64),
    /// The body is this many bytes too long, without `Content-Length`.
    LongWithoutLength(u64),
    /// 206 with another start in `Content-Range`.
    OtherRange,
    /// 206 with another total in `Content-Range`.
    OtherTotal,
    /// 206 although no range was requested.
    UnrequestedRange,
    /// 200 and the whole blob, even if a range was requested.
    NoRanges,
    /// Like `NoRanges`, and the connection breaks after this many bytes.
    NoRangesCut(u64),
    /// 416.
    Unsatisfiable,
    /// Another file with another entity tag.
    Replaced,
    /// Another file of the same length with the entity tag of the blob.
    ReplacedWithOldTag,
    Status(u16, &'static [(&'static str, &'static str)]),
    /// The page of a captive portal, as 200.
    Portal,
    /// 200 with this many wrong bytes of this type, without an entity tag. `with_length`: with
    /// `Content-Length`.
    OtherBody {
        kind: &'static str,
        bytes: usize,
        with_length: bool,
    },
    /// The requested range with status 200.
    RangeAs200,
    /// The requested range with status 200, without a length and an entity tag.
    OpaqueRangeAs200,
    /// The requested range with status 200, ten bytes shorter.
    ShortRangeAs200,
    /// 206 with this type and without `Content-Range`.
    Multipart(&'static str),
    /// The connection breaks before the reply.
    Broken,
    /// The requested range with wrong bytes.
    WrongBytes,
    /// The requested range in an encoding that cannot be decompressed.
    Undecodable,
    /// The connection is refused.
    Refused,
    /// The body stops after this many bytes until `release_held`.
    Hold(u64),
}

#[derive(Default)]
struct State {
    manifests: HashMap<String, String>,
    blobs: HashMap<BlobHash, Bytes>,
    faults: HashMap<BlobHash, VecDeque<Fault>>,
    /// Fault of all requests.
    always: Option<Fault>,
    /// Fault of all requests for a range.
    ranges: Option<Fault>,
    /// Bytes of bodies sent, by blob; manifests are counted under the zero hash.
    sent: BTreeMap<BlobHash, u64>,
    requests: Vec<(BlobHash, Option<u64>)>,
}

pub struct FakeServer {
    state: Mutex<State>,
    hold_permits: Arc<Semaphore>,
    open_bodies: Arc<AtomicUsize>,
    max_open: AtomicUsize,
    key: SigningKey,
}

/// Counts an open body.
struct OpenBody(Arc<AtomicUsize>);
impl Drop for OpenBody {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl FakeServer {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            hold_permits: Arc::new(Semaphore::new(0)),
            open_bodies: Arc::default(),
            max_open: AtomicUsize::new(0),
            key: SigningKey::from_bytes(&[7; 32]),
        })
    }
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes a course; replaces an earlier version.
    pub fn publish(&self, course: &Course) -> BlobHash {
        self.publish_signed(course, &self.key)
    }
    /// Publishes a course signed with another key.
    pub fn publish_with_other_key(&self, course: &Course) -> BlobHash {
        self.publish_signed(course, &SigningKey::from_bytes(&[8; 32]))
    }
    fn publish_signed(&self, course: &Course, key: &SigningKey) -> BlobHash {
        let manifest = course.manifest();
        let text = manifest.to_canonical();
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let signed = SignedManifest {
            key: hex(key.verifying_key().as_bytes()),
            signature: hex(&key.sign(text.as_bytes()).to_bytes()),
            manifest: text,
        };
        let mut state = self.state();
        state.blobs.extend(course.blobs.iter().map(|(b, bytes)| (b.hash, bytes.clone())));
        state.manifests.insert(course.id.to_string(), serde_json::to_string(&signed).unwrap());
        signed.version()
    }
    /// Sets the faults of the next requests for this blob.
    pub fn inject(&self, blob: BlobHash, faults: &[Fault]) {
        self.state().faults.entry(blob).or_default().extend(faults.iter().cloned());
    }
    pub fn set_fault(&self, fault: Option<Fault>) {
        self.state().always = fault;
    }
    /// Sets the fault of all requests for a range, and removes those of single requests.
    pub fn break_ranges(&self, fault: Fault) {
        let mut state = self.state();
        state.faults.clear();
        state.ranges = Some(fault);
    }
    pub fn release_held(&self) {
        self.hold_permits.add_permits(Semaphore::MAX_PERMITS / 2);
    }
    /// Returns the bytes sent of this blob.
    pub fn sent(&self, blob: BlobHash) -> u64 {
        self.state().sent.get(&blob).copied().unwrap_or(0)
    }
    /// Returns the bytes sent of all blobs and manifests.
    pub fn total_sent(&self) -> u64 {
        self.state().sent.values().sum()
    }
    pub fn requests(&self) -> Vec<(BlobHash, Option<u64>)> {
        self.state().requests.clone()
    }
    pub fn reset_counts(&self) {
        let mut state = self.state();
        state.sent.clear();
        state.requests.clear();
        self.max_open.store(0, Ordering::SeqCst);
    }
    /// Returns the largest number of bodies open at the same time.
    pub fn max_concurrent(&self) -> usize {
        self.max_open.load(Ordering::SeqCst)
    }

    fn blob(self: &Arc<Self>, hash: BlobHash, request: &Request) -> Result<Reply, Failure> {
        let if_range = request.headers.get(header::IF_RANGE).and_then(|v| v.to_str().ok());
        let from = requested_range(request).map(|(from, _)| from as u64);
        let mut state = self.state();
        state.requests.push((hash, from));
        let fault = state.always.clone();
        let fault = fault.or_else(|| state.ranges.clone().filter(|_| from.is_some()));
        let fault = fault.or_else(|| state.faults.get_mut(&hash)?.pop_front());
        let Some(bytes) = state.blobs.get(&hash).cloned() else {
            return Ok(reply(404, "application/json", "{}"));
        };
        drop(state);
        let size = bytes.len() as u64;
        let mut tag = format!("\"{hash}\"");
        // With another entity tag in If-Range, the whole blob is sent.
        let mut start = from.filter(|_| if_range == Some(&tag));
        let (mut file, mut total, mut range_start) = (bytes.to_vec(), size, start.unwrap_or(0));
        let (mut stop, mut without_length, mut held) = (None, false, None);
        let (mut as_200, mut undecodable, mut part_type) = (false, false, None);
        match fault {
            None => {}
            Some(Fault::Cut(n)) => stop = Some(n),
            Some(Fault::Hold(n)) => held = Some(n),
            Some(Fault::Flip(at)) => file[at as usize] ^= 4,
            Some(Fault::Short(n)) => file.truncate((size - n) as usize),
            Some(Fault::Long(n)) => file.extend(vec![9; n as usize]),
            Some(Fault::LongWithoutLength(n)) => {
                file.extend(vec![9; n as usize]);
                without_length = true;
            }
            Some(Fault::OtherRange) => range_start += 7,
            Some(Fault::OtherTotal) => total += 1,
            Some(Fault::UnrequestedRange) => start = Some(5),
            Some(Fault::NoRanges) => start = None,
            Some(Fault::NoRangesCut(n)) => (start, stop) = (None, Some(n)),
            Some(Fault::Unsatisfiable) => return Ok(reply(416, "application/json", "{}")),
            Some(Fault::Replaced) => {
                file = vec![1; file.len()];
                tag = format!("\"{}\"", BlobHash::of(&file));
                start = None;
            }
            Some(Fault::OtherBody { kind, bytes, with_length }) => {
                let body = self.body(hash, vec![9; bytes].into(), None, None);
                let reply = with_body(200, kind, body);
                return Ok(match with_length {
                    true => header(reply, header::CONTENT_LENGTH, &bytes.to_string()),
                    false => reply,
                });
            }
            Some(Fault::RangeAs200) => as_200 = true,
            Some(Fault::OpaqueRangeAs200) => {
                (as_200, without_length) = (true, true);
                tag = "\"of the proxy\"".to_owned();
            }
            Some(Fault::ShortRangeAs200) => {
                as_200 = true;
                file.truncate(file.len() - 10);
            }
            Some(Fault::Multipart(kind)) => part_type = Some(kind),
            Some(Fault::Broken) => {
                return Err(Failure::new(FailureKind::Broken, "connection reset"));
            }
            Some(Fault::WrongBytes) => file = vec![9; file.len()],
            Some(Fault::Undecodable) => undecodable = true,
            Some(Fault::ReplacedWithOldTag) => file = vec![1; file.len()],
            Some(Fault::Status(status, headers)) => {
                let reply = reply(status, "application/json", "{}");
                return Ok(headers.iter().fold(reply, |reply, (name, value)| {
                    header(reply, HeaderName::from_static(name), value)
                }));
            }
            Some(Fault::Portal) => {
                return Ok(reply(200, "text/html", "<html>Sign in to the Wi-Fi</html>"));
            }
            Some(Fault::Refused) => {
                return Err(Failure::new(FailureKind::Connect, "connection refused"));
            }
        }
        let body = Bytes::from(file).slice(start.unwrap_or(0) as usize..);
        let mut headers = HeaderMap::new();
        let mut set = |name, value: String| headers.insert(name, value.parse().unwrap());
        set(header::ETAG, tag);
        set(header::CONTENT_TYPE, "application/octet-stream".into());
        if !without_length {
            set(header::CONTENT_LENGTH, body.len().to_string());
        }
        if let Some(kind) = part_type {
            set(header::CONTENT_TYPE, kind.into());
        } else if start.is_some() && !as_200 {
            set(header::CONTENT_RANGE, format!("bytes {range_start}-{}/{total}", total - 1));
        }
        let status = if start.is_some() && !as_200 { 206 } else { 200 };
        let body = self.body(hash, body, stop, held);
        let body = match undecodable {
            true => Box::pin(stream::iter([Err(Failure::new(FailureKind::Decode, "not gzip"))])),
            false => body,
        };
        Ok(Reply { status, headers, body })
    }

    /// Returns a body whose bytes are counted when they are read.
    fn body(
        self: &Arc<Self>,
        hash: BlobHash,
        bytes: Bytes,
        stop: Option<u64>,
        held: Option<u64>,
    ) -> Body {
        let now = self.open_bodies.fetch_add(1, Ordering::SeqCst) + 1;
        self.max_open.fetch_max(now, Ordering::SeqCst);
        let open = OpenBody(self.open_bodies.clone());
        let server = self.clone();
        let stop = stop.map(|n| n as usize).filter(|n| *n < bytes.len());
        let end = stop.unwrap_or(bytes.len());
        let body = pieces(bytes.slice(..end), PIECE, move |at| {
            let _open = &open;
            let server = server.clone();
            async move {
                // Other tasks run between pieces, as on a real connection.
                tokio::task::yield_now().await;
                if held.is_some_and(|n| at as u64 >= n) {
                    let _ = server.hold_permits.acquire().await;
                }
                *server.state().sent.entry(hash).or_default() += PIECE.min(end - at) as u64;
                Ok(())
            }
        });
        let broken = stop.map(|_| Err(Failure::new(FailureKind::Broken, "connection reset")));
        Box::pin(body.chain(stream::iter(broken)))
    }

    /// Returns the network of one device.
    pub fn http(self: &Arc<Self>) -> Arc<Network> {
        let server = self.clone();
        Network::new(move |request| server.answer(request))
    }
    pub fn answer(self: &Arc<Self>, request: &Request) -> Result<Reply, Failure> {
        let path = request.url.strip_prefix(BASE).expect("a request to the fake server");
        if let Some(hash) = path.strip_prefix("/api/blobs/") {
            return self.blob(hash.parse().unwrap(), request);
        }
        let mut state = self.state();
        if matches!(state.always, Some(Fault::Refused)) {
            return Err(Failure::new(FailureKind::Connect, "connection refused"));
        }
        let id = path.split('/').nth(3).unwrap_or_default();
        let Some(text) = state.manifests.get(id).cloned() else {
            return Ok(reply(404, "application/json", "{}"));
        };
        *state.sent.entry(BlobHash([0; 32])).or_default() += text.len() as u64;
        Ok(json(text))
    }
}

/// A course with audio in each section, or a story.
#[derive(Clone)]
pub struct Course {
    pub id: Slug,
    pub lessons: Vec<LessonOutline>,
    pub blobs: Vec<(ManifestBlob, Bytes)>,
    /// The text of a story; `None` for a course.
    story: Option<BlobHash>,
}

impl Course {
    /// Creates a course. `sizes`: the sizes of the audio files, by lesson and section.
    pub fn new(id: &str, sizes: &[&[usize]]) -> Self {
        let mut course = Self {
            id: Slug::new(id).unwrap(),
            lessons: Vec::new(),
            blobs: Vec::new(),
            story: None,
        };
        for (l, sizes) in sizes.iter().enumerate() {
            let mut sections = Vec::new();
            for (s, size) in sizes.iter().enumerate() {
                let media = recording(&format!("{id} {l} {s}"), *size);
                sections.push(course.section(l, s, media));
            }
            let id = Slug::new(format!("l{l}")).unwrap();
            let title = format!("Lesson {l}");
            course.lessons.push(LessonOutline { id, title, summary: String::new(), sections });
        }
        course
    }
    /// Creates a story with audio files of these sizes.
    pub fn story(id: &str, sizes: &[usize]) -> Self {
        let mut story = Self::new(id, &[]);
        for (n, size) in sizes.iter().enumerate() {
            story.add(recording(&format!("{id} {n}"), *size), "audio/mpeg");
        }
        let text = format!("{{\"title\":\"The story {id}\"}}");
        story.story = Some(story.add(text.into(), "application/json").hash);
        story
    }
    pub fn kind(&self) -> Kind {
        if self.story.is_some() { Kind::Story } else { Kind::Course }
    }
    fn section(&mut self, lesson: usize, section: usize, media: Bytes) -> SectionOutline {
        let blob = self.add(media, "audio/mpeg");
        let audio = AudioRef {
            title: String::new(),
            blob: BlobRef { hash: blob.hash, size: blob.size, media_type: blob.media_type },
            duration_ms: 1,
            peaks: Vec::new(),
            captions: None,
            transcript: String::new(),
        };
        let html = format!("<p>{} {lesson} {section}</p>", self.id);
        let blocks = vec![Block::RichText { html }, Block::Audio { audio }];
        let body = SectionBody { lang: "en".into(), dir: Default::default(), blocks };
        let body = self.add(serde_json::to_vec(&body).unwrap().into(), "application/json");
        SectionOutline {
            id: Slug::new(format!("s{section}")).unwrap(),
            section_type: SectionType::Text,
            title: format!("Section {lesson}.{section}"),
            minutes: 0,
            body: body.hash,
            quiz: None,
        }
    }
    fn add(&mut self, bytes: Bytes, media_type: &str) -> ManifestBlob {
        let blob = ManifestBlob {
            hash: BlobHash::of(&bytes),
            size: bytes.len() as u64,
            media_type: media_type.into(),
        };
        self.blobs.push((blob.clone(), bytes));
        blob
    }
    /// Returns another version of the course, in which one section has other audio of the same size.
    pub fn with_another(&self, lesson: usize, section: usize) -> Self {
        let mut next = self.clone();
        let old = next.lessons[lesson].sections[section].body;
        let at = next.blobs.iter().position(|(b, _)| b.hash == old).unwrap();
        // The audio precedes the text of its section.
        let size = next.blobs[at - 1].1.len();
        next.blobs.drain(at - 1..=at);
        let media = recording(&format!("{} {lesson} {section} again", self.id), size);
        next.lessons[lesson].sections[section] = next.section(lesson, section, media);
        next
    }
    pub fn item(&self, lesson: usize, section: usize) -> ItemId {
        let l = &self.lessons[lesson];
        ItemId::section(&self.id, &l.id, &l.sections[section].id)
    }
    /// Returns the audio files, in order.
    pub fn media(&self) -> Vec<ManifestBlob> {
        let media = self.blobs.iter().filter(|(b, _)| b.media_type == "audio/mpeg");
        media.map(|(b, _)| b.clone()).collect()
    }
    pub fn bytes(&self) -> u64 {
        self.blobs.iter().map(|(b, _)| b.size).sum()
    }
    pub fn manifest(&self) -> Manifest {
        let mut blobs: Vec<_> = self.blobs.iter().map(|(b, _)| b.clone()).collect();
        blobs.sort();
        blobs.dedup();
        let format = carrel_model::content::MANIFEST_FORMAT.into();
        if let Some(body) = self.story {
            let meta = StoryMeta {
                id: self.id.clone(),
                title: format!("The story {}", self.id),
                total_bytes: self.bytes(),
                ..story_meta()
            };
            let content = ManifestContent::Story { meta, body };
            return Manifest { format, content, blobs, fonts: Vec::new() };
        }
        let meta = CourseMeta {
            id: self.id.clone(),
            title: format!("The course {}", self.id),
            description: String::new(),
            lang: "en".into(),
            dir: Default::default(),
            difficulty: Difficulty::Beginner,
            is_expert: false,
            category: String::new(),
            tags: Vec::new(),
            hours: Default::default(),
            authors: Vec::new(),
            license: "CC0-1.0".into(),
            credits: String::new(),
            cover: Cover::from_title("x"),
            lesson_count: self.lessons.len() as u32,
            section_count: 0,
            total_bytes: self.bytes(),
        };
        let outline =
            CourseOutline { lessons: self.lessons.clone(), stories: Vec::new(), vocabulary: None };
        let content = ManifestContent::Course { meta, outline };
        Manifest { format, content, blobs, fonts: Vec::new() }
    }
}

fn story_meta() -> StoryMeta {
    let meta = serde_json::json!({
        "id": "story", "title": "", "lang": "en", "level": 1, "license": "CC0-1.0", "pageCount": 1, "narrated": false,
        "totalBytes": 1, "cover": Cover::from_title("x"),
    });
    serde_json::from_value(meta).unwrap()
}

/// Returns pseudo-random bytes derived from `name`.
fn recording(name: &str, size: usize) -> Bytes {
    let mut bytes = vec![0; size];
    blake3::Hasher::new_derive_key(name).finalize_xof().fill(&mut bytes);
    bytes.into()
}

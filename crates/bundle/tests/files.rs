//! Tests of course files and work files: a written file can be read; damage and manipulation are detected and reported
//! with the right code.

use std::io::{Cursor, Read};

use carrel_bundle::{
    Bundle, BundledCourse, COURSE_FORMAT, CourseBundle, CourseHeader, Fault, MAGIC, PREFIX_BYTES,
    WorkBundle, WorkDevice, WorkHeader, WorkLearner, copy_verified, frame,
};
use carrel_model::{
    BlobHash, DeviceId, ItemId, Slug, UserId,
    content::{
        Cover, Dir, MANIFEST_FORMAT, Manifest, ManifestBlob, ManifestContent, SignedManifest,
        StoryMeta,
    },
    lattice::{Grade, ItemKind, Progress, Row},
};
use data_encoding::HEXLOWER;
use ed25519_dalek::{Signer, SigningKey};

const TEXT: &[u8] = b"{\"a story\":1}";
const VIDEO_BYTES: usize = 700_000;

fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}
fn video() -> Vec<u8> {
    (0..VIDEO_BYTES).map(|i| (i % 251) as u8).collect()
}
fn blob(bytes: &[u8]) -> ManifestBlob {
    let (hash, size) = (BlobHash::of(bytes), bytes.len() as u64);
    ManifestBlob { hash, size, media_type: "application/json".into() }
}
fn manifest(id: &str) -> Manifest {
    let meta = StoryMeta {
        id: Slug::new(id).unwrap(),
        title: "Ä".into(),
        description: String::new(),
        lang: "en".into(),
        dir: Dir::Ltr,
        level: 1,
        category: String::new(),
        tags: Vec::new(),
        authors: Vec::new(),
        license: "CC0-1.0".into(),
        credits: String::new(),
        cover: Cover::from_title("Ä"),
        family: String::new(),
        page_count: 1,
        narrated: false,
        total_bytes: 2,
    };
    let mut blobs = vec![blob(TEXT), blob(&video())];
    blobs.sort();
    Manifest {
        format: MANIFEST_FORMAT.into(),
        content: ManifestContent::Story { meta, body: BlobHash::of(TEXT) },
        blobs,
        fonts: Vec::new(),
    }
}
fn sign_text(manifest: String, key: &SigningKey) -> SignedManifest {
    let signature = HEXLOWER.encode(&key.sign(manifest.as_bytes()).to_bytes());
    SignedManifest { manifest, key: HEXLOWER.encode(key.verifying_key().as_bytes()), signature }
}
fn sign(manifest: &Manifest) -> SignedManifest {
    sign_text(manifest.to_canonical(), &key(1))
}
fn header(signed: Vec<SignedManifest>) -> CourseHeader {
    CourseHeader {
        format: COURSE_FORMAT.into(),
        server: "https://school.example".into(),
        server_name: "Rivers School".into(),
        made_ms: 1_790_000_000_000,
        made_by: "Carrel 0.1.0".into(),
        courses: signed
            .into_iter()
            .map(|signed| BundledCourse { as_of_ms: 1_789_000_000_000, signed })
            .collect(),
    }
}
/// Creates a course file without checking it.
fn unchecked_file(header: &CourseHeader, body: &[u8]) -> Vec<u8> {
    let mut file = frame(&serde_json::to_vec(header).unwrap()).unwrap();
    file.extend_from_slice(body);
    file
}
fn bodies(manifest: &Manifest) -> Vec<u8> {
    let known = [TEXT.to_vec(), video()];
    let find = |b: &ManifestBlob| known.iter().find(|k| BlobHash::of(k) == b.hash).unwrap().clone();
    manifest.blobs.iter().flat_map(find).collect()
}
fn valid_file() -> Vec<u8> {
    let manifest = manifest("a-story");
    unchecked_file(&header(vec![sign(&manifest)]), &bodies(&manifest))
}
fn with_manifest(change: impl FnOnce(&mut Manifest)) -> Vec<u8> {
    let mut manifest = manifest("a-story");
    change(&mut manifest);
    unchecked_file(&header(vec![sign(&manifest)]), &bodies(&self::manifest("a-story")))
}
fn with_manifest_text(change: impl FnOnce(String) -> String) -> Vec<u8> {
    let manifest = manifest("a-story");
    unchecked_file(
        &header(vec![sign_text(change(manifest.to_canonical()), &key(1))]),
        &bodies(&manifest),
    )
}

/// Reads a file to its end, as an import does. Returns the number of blobs or rows.
fn read(file: &[u8]) -> Result<usize, Fault> {
    let mut from = Cursor::new(file);
    match carrel_bundle::open(&mut from, file.len() as u64)? {
        Bundle::Courses(bundle) => {
            for blob in &bundle.blobs {
                copy_verified(&mut from, blob, |_| Ok::<_, Fault>(()))?;
            }
            Ok(bundle.blobs.len())
        }
        Bundle::Dictionary(_) => panic!("a dictionary file"),
        Bundle::Work(work) => Ok(work.rows.len()),
    }
}

fn work_header() -> WorkHeader {
    WorkHeader {
        format: String::new(),
        learner: WorkLearner {
            id: UserId::from_u128(7),
            login: "asha".into(),
            name: "Asha".into(),
        },
        server: "https://school.example".into(),
        server_name: "Rivers School".into(),
        server_key: "ab".repeat(32),
        device: WorkDevice {
            id: DeviceId::from_u128(9),
            name: "laptop".into(),
            key: String::new(),
        },
        made_ms: 1_790_000_000_000,
        made_by: "Carrel 0.1.0".into(),
        certificate: String::new(),
        rows: 0,
        row_bytes: 0,
        row_hash: BlobHash([0; 32]),
    }
}
fn progress_row(item: &str) -> Row {
    Progress {
        kind: ItemKind::Section,
        item: ItemId::new(item).unwrap(),
        generation: 0,
        percent: 10_000,
        pos: None,
        done_ms: Some(1_790_000_000_000),
        extra: Default::default(),
    }
    .into()
}
fn work() -> Vec<u8> {
    WorkBundle::write(work_header(), &[progress_row("a/b/c"), progress_row("a/b/d")], &key(3))
        .unwrap()
}
fn header_len(file: &[u8]) -> usize {
    u32::from_be_bytes(file[8..12].try_into().unwrap()) as usize
}
/// Changes the header of a file, but not its signature.
fn with_header(file: &[u8], change: impl FnOnce(String) -> String) -> Vec<u8> {
    let end = PREFIX_BYTES + header_len(file);
    let text = change(String::from_utf8(file[PREFIX_BYTES..end].to_vec()).unwrap());
    let mut out = frame(text.as_bytes()).unwrap();
    out.extend_from_slice(&file[end..]);
    out
}
fn flip(mut file: Vec<u8>, at: usize) -> Vec<u8> {
    file[at] ^= 0x20;
    file
}

#[test]
fn written_files_can_be_read() {
    let (one, two) = (manifest("a-story"), manifest("another"));
    let bundle = CourseBundle::new(header(vec![sign(&one), sign(&two)])).unwrap();
    let mut file = bundle.prefix_and_header().unwrap();
    assert_eq!(file.len() as u64, bundle.start);
    file.extend(bodies(&one));
    assert_eq!(file.len() as u64, bundle.len(), "shared blobs are stored once");
    assert_eq!(read(&file), Ok(2));
    let mut from = Cursor::new(&file);
    let Ok(Bundle::Courses(again)) = carrel_bundle::open(&mut from, file.len() as u64) else {
        panic!("not a course file")
    };
    assert_eq!((again.header, again.manifests), (bundle.header, vec![one, two]));

    let Ok(Bundle::Work(work)) = carrel_bundle::open(&mut Cursor::new(work()), work().len() as u64)
    else {
        panic!("not a work file")
    };
    let rows: Vec<Row> = work.rows.iter().map(|r| serde_json::from_str(r).unwrap()).collect();
    assert_eq!(rows, [progress_row("a/b/c"), progress_row("a/b/d")]);
    assert_eq!((work.header.rows, work.header.learner.name.as_str()), (2, "Asha"));
}

#[test]
fn grades_are_not_exported() {
    let attempt = carrel_model::AttemptId::from_u128(1);
    let grade = Grade {
        attempt,
        rev: u32::MAX,
        points: 1,
        max_points: 1,
        graded_ms: 1_790_000_000_000,
        extra: Default::default(),
    };
    let file =
        WorkBundle::write(work_header(), &[grade.into(), progress_row("a/b/c")], &key(3)).unwrap();
    assert_eq!(read(&file), Ok(1));
}

#[test]
fn each_invalid_file_returns_its_reason() {
    let file_bytes = valid_file();
    let (header_end, work_end) =
        (PREFIX_BYTES + header_len(&file_bytes), PREFIX_BYTES + header_len(&work()));
    let two = || vec![sign(&manifest("a-story")), sign(&manifest("a-story"))];
    let body = bodies(&manifest("a-story"));
    let other_key = sign_text(manifest("other").to_canonical(), &key(2));
    let unlisted = BlobHash([9; 32]);
    let table: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty file", vec![], "empty"),
        ("a zip", b"PK\x03\x04 and so on, a zip file of another program".to_vec(), "not_carrel"),
        ("a Wi-Fi sign-in page", b"<!doctype html><title>Sign in</title>".to_vec(), "not_carrel"),
        ("seven other bytes", b"carrel!".to_vec(), "not_carrel"),
        ("line ends converted", [b"\x89CRL\n\x1a\n", &file_bytes[8..]].concat(), "mangled"),
        ("the eighth bit cleared", [b"\x09CRL\r\n\x1a\n", &file_bytes[8..]].concat(), "mangled"),
        (
            "read as Latin-1, written as UTF-8",
            [b"\xc2\x89CRL\r\n", &file_bytes[6..]].concat(),
            "mangled",
        ),
        ("only five bytes", file_bytes[..5].to_vec(), "truncated"),
        ("truncated in the prefix", file_bytes[..20].to_vec(), "truncated"),
        ("truncated in the header", file_bytes[..header_end - 10].to_vec(), "truncated"),
        ("truncated before the first blob", file_bytes[..header_end].to_vec(), "truncated"),
        ("truncated in a blob", file_bytes[..file_bytes.len() - 100_000].to_vec(), "truncated"),
        ("the last byte missing", file_bytes[..file_bytes.len() - 1].to_vec(), "truncated"),
        ("one extra byte", [&file_bytes[..], b"!"].concat(), "too_long"),
        ("the file followed by a copy of it", [&file_bytes[..], &file_bytes].concat(), "too_long"),
        ("a header of 4 GiB", [&MAGIC[..], &[0xff; 36]].concat(), "head_too_large"),
        ("a flipped bit in the header's hash", flip(file_bytes.clone(), 20), "head_damaged"),
        (
            "a flipped bit in the server's name",
            flip(file_bytes.clone(), PREFIX_BYTES + 40),
            "head_damaged",
        ),
        (
            "a flipped bit in the first blob",
            flip(file_bytes.clone(), header_end + 3),
            "blob_damaged",
        ),
        (
            "a flipped bit in the last blob",
            flip(file_bytes.clone(), file_bytes.len() - 1),
            "blob_damaged",
        ),
        (
            "blobs in another order",
            {
                let (a, b) = body.split_at(manifest("a-story").blobs[0].size as usize);
                unchecked_file(&header(vec![sign(&manifest("a-story"))]), &[b, a].concat())
            },
            "blob_damaged",
        ),
        (
            "blobs overwritten with zeros",
            {
                let mut file = file_bytes.clone();
                file[header_end..].fill(0);
                file
            },
            "blob_damaged",
        ),
        ("a header that is not JSON", frame(b"not JSON").unwrap(), "head_damaged"),
        ("a header that is a list", frame(b"[]").unwrap(), "head_damaged"),
        (
            "a header without courses",
            frame(br#"{"format":"carrel-cable-course/1"}"#).unwrap(),
            "head_damaged",
        ),
        (
            "a newer course file",
            with_header(&file_bytes, |h| h.replace("course/1", "course/2")),
            "newer",
        ),
        ("a newer work file", with_header(&work(), |h| h.replace("work/1", "work/2")), "newer"),
        (
            "a file of another kind",
            frame(br#"{"format":"carrel-cable-radio/1"}"#).unwrap(),
            "newer",
        ),
        ("no courses", unchecked_file(&header(vec![]), &[]), "nothing"),
        (
            "1,001 courses",
            unchecked_file(&header(vec![sign(&manifest("s")); 1_001]), &[]),
            "too_many",
        ),
        ("one course twice", unchecked_file(&header(two()), &body), "twice"),
        (
            "two keys",
            unchecked_file(&header(vec![sign(&manifest("a-story")), other_key]), &body),
            "many_keys",
        ),
        (
            "a malformed key",
            with_header(&file_bytes, |h| h.replace("\"key\":\"", "\"key\":\"zz")),
            "key_malformed",
        ),
        (
            "a title changed after signing",
            with_header(&file_bytes, |h| h.replace("\\\"title\\\":\\\"Ä", "\\\"title\\\":\\\"Ö")),
            "signature_wrong",
        ),
        (
            "signed with another key than the one named",
            {
                let mut signed = sign_text(manifest("a-story").to_canonical(), &key(2));
                signed.key = HEXLOWER.encode(key(1).verifying_key().as_bytes());
                unchecked_file(&header(vec![signed]), &body)
            },
            "signature_wrong",
        ),
        (
            "a newer manifest",
            with_manifest_text(|t| t.replace("carrel-manifest/1", "carrel-manifest/9")),
            "manifest_unreadable",
        ),
        (
            "an id with path traversal",
            with_manifest_text(|t| t.replace("\"a-story\"", "\"../../../.bashrc\"")),
            "manifest_unreadable",
        ),
        (
            "a hash with path traversal",
            with_manifest_text(|t| {
                t.replace(&BlobHash::of(TEXT).to_hex(), "../../../../etc/passwd")
            }),
            "manifest_unreadable",
        ),
        (
            "a negative size",
            with_manifest_text(|t| t.replace(":13,", ":-13,")),
            "manifest_unreadable",
        ),
        ("blobs that are not sorted", with_manifest(|m| m.blobs.reverse()), "manifest_unreadable"),
        (
            "a blob listed twice",
            with_manifest(|m| m.blobs.insert(0, m.blobs[0].clone())),
            "manifest_unreadable",
        ),
        (
            "a body that is not listed",
            with_manifest(|m| {
                if let ManifestContent::Story { body, .. } = &mut m.content {
                    *body = unlisted;
                }
            }),
            "dangling",
        ),
        ("a blob of 16 EiB", with_manifest(|m| m.blobs[0].size = u64::MAX), "impossible"),
        (
            "a sum that overflows",
            with_manifest(|m| m.blobs.iter_mut().for_each(|b| b.size = u64::MAX / 2 + 1)),
            "impossible",
        ),
        (
            "a blob of 1 EiB in a file of 700 kB",
            with_manifest(|m| m.blobs[0].size = 1 << 60),
            "truncated",
        ),
        (
            "one blob with two sizes",
            {
                let mut other = manifest("other");
                other.blobs[0].size += 1;
                unchecked_file(&header(vec![sign(&manifest("a-story")), sign(&other)]), &body)
            },
            "sizes_differ",
        ),
        ("work: truncated in the signature", work()[..work_end + 10].to_vec(), "truncated"),
        ("work: truncated in the rows", work()[..work().len() - 5].to_vec(), "truncated"),
        ("work: one extra byte", [&work()[..], b"\n"].concat(), "too_long"),
        ("work: a flipped bit in the signature", flip(work(), work_end + 2), "signature_wrong"),
        (
            "work: another learner's name",
            with_header(&work(), |h| h.replace("Asha", "Bela")),
            "signature_wrong",
        ),
        (
            "work: another learner's id",
            with_header(&work(), |h| h.replace("000000000007", "000000000008")),
            "signature_wrong",
        ),
        (
            "work: another device's key",
            with_header(&work(), |h| {
                h.replace(
                    &HEXLOWER.encode(key(3).verifying_key().as_bytes()),
                    &HEXLOWER.encode(key(4).verifying_key().as_bytes()),
                )
            }),
            "signature_wrong",
        ),
        (
            "work: a malformed key",
            with_header(&work(), |h| h.replace("\"key\":\"", "\"key\":\"q")),
            "key_malformed",
        ),
        ("work: a flipped bit in a row", flip(work(), work().len() - 30), "rows_damaged"),
        (
            "work: 10 GB of rows",
            with_header(&work(), |h| h.replace("\"rowBytes\":", "\"rowBytes\":9999999")),
            "impossible",
        ),
    ];
    assert!(table.len() >= 50, "{}", table.len());
    for (what, file, reason) in table {
        match read(&file) {
            Err(fault) => {
                assert_eq!(fault.reason(), reason, "{what}: {fault}");
                assert!(!fault.to_string().is_empty());
            }
            Ok(n) => panic!("{what}: {n} blobs or rows were read"),
        }
    }
}

/// Flips a bit in each byte of the header and in every 97,001st byte after it, and in each byte of a work file.
#[test]
fn every_bit_flip_is_detected() {
    let file_bytes = valid_file();
    assert_eq!(read(&file_bytes), Ok(2));
    let header_end = PREFIX_BYTES + header_len(&file_bytes);
    for at in (0..header_end).chain((header_end..file_bytes.len()).step_by(97_001)) {
        let mut file = file_bytes.clone();
        file[at] ^= 1 << (at % 8);
        assert!(read(&file).is_err(), "byte {at}");
    }
    let file_bytes = work();
    for at in 0..file_bytes.len() {
        let mut file = file_bytes.clone();
        file[at] ^= 1 << (at % 8);
        assert!(read(&file).is_err(), "work: byte {at}");
    }
}

/// The drive is removed during reading.
#[test]
fn read_failure_returns_an_error() {
    struct FailingReader(Cursor<Vec<u8>>, u64);
    impl Read for FailingReader {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if self.0.position() >= self.1 {
                return Err(std::io::Error::other("no such device"));
            }
            let max = buffer.len().min((self.1 - self.0.position()) as usize);
            self.0.read(&mut buffer[..max])
        }
    }
    let file_bytes = valid_file();
    for stop in [0, 5, 30, 200, file_bytes.len() as u64 - 1] {
        let mut from = FailingReader(Cursor::new(file_bytes.clone()), stop);
        let result = carrel_bundle::open(&mut from, file_bytes.len() as u64).and_then(|bundle| {
            let Bundle::Courses(bundle) = bundle else { return Err(Fault::NoContent) };
            bundle
                .blobs
                .iter()
                .try_for_each(|b| copy_verified(&mut from, b, |_| Ok::<_, Fault>(())))
        });
        assert_eq!(result.map_err(|f| f.reason()), Err("unreadable"), "at {stop}");
    }
}

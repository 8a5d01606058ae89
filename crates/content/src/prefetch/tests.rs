use super::*;

#[test]
fn references_of_a_body_are_found() {
    let hash = |n: u8| BlobHash([n; 32]);
    let blob = |n| serde_json::json!({ "hash": hash(n), "size": 9, "type": "x/y", "width": 320 });
    let body = serde_json::json!({ "lang": "en", "blocks": [
        { "kind": "rich_text", "html": "<p>body" },
        { "kind": "image", "image": { "variants": [blob(1), blob(2)], "width": 640 } },
        { "kind": "audio", "audio": { "hash": hash(3), "size": 9, "type": "audio/mpeg", "durationMs": 1, "captions": blob(4) } },
        { "kind": "quiz", "quiz": "a/b", "title": "", "body": hash(5) },
    ] });
    let mut found = references_in(&Bytes::from(body.to_string()));
    found.sort_by_key(|r| r.hash);
    let seen: Vec<_> = found.iter().map(|r| (r.hash.0[0], r.is_text, r.is_thumbnail)).collect();
    assert_eq!(
        seen,
        [
            (1, false, true),
            (2, false, false),
            (3, false, false),
            (4, false, false),
            (5, true, false)
        ]
    );
    assert_eq!(references_in(&Bytes::from_static(b"\x89PNG")), []);
    assert_eq!(references_in(&Bytes::from_static(b"{\"body\": \"no hash\"}")), []);
}

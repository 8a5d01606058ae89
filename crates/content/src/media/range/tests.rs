use super::*;

#[test]
fn ranges_follow_rfc_9110() {
    let table = [
        (None, 10, RequestedRange::Whole),
        (Some("bytes=0-"), 10, RequestedRange::From(0)),
        (Some("bytes=4-"), 10, RequestedRange::From(4)),
        (Some("bytes=0-0"), 10, RequestedRange::Bytes(0, 1)),
        (Some("bytes=2-5"), 10, RequestedRange::Bytes(2, 6)),
        (Some("bytes=2-99"), 10, RequestedRange::Bytes(2, 10)),
        (Some("bytes=-3"), 10, RequestedRange::Bytes(7, 10)),
        (Some("bytes=-99"), 10, RequestedRange::Bytes(0, 10)),
        (Some("bytes=-0"), 10, RequestedRange::Unsatisfiable),
        (Some("bytes=10-"), 10, RequestedRange::Unsatisfiable),
        (Some("bytes=0-"), 0, RequestedRange::Unsatisfiable),
        (Some("bytes=5-2"), 10, RequestedRange::Whole),
        (Some("bytes=a-b"), 10, RequestedRange::Whole),
        (Some("bytes=0-1,4-5"), 10, RequestedRange::Whole),
        (Some("items=0-1"), 10, RequestedRange::Whole),
        (Some("bytes=99999999999999999999-"), 10, RequestedRange::Unsatisfiable),
    ];
    for (header, size, expected) in table {
        assert_eq!(parse(header, size), expected, "{header:?}");
    }
}

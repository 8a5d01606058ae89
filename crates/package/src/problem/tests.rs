use super::*;

#[test]
fn errors_are_listed_after_many_warnings() {
    let at = |line| SourceLocation { file: "a.md", line };
    let problems = Problems::default();
    for line in 0..5_000 {
        problems.warn(at(line), "html-removed", "<div> was removed", "");
    }
    assert!(!problems.has_errors());
    for line in 0..3 {
        problems.error(at(line), "missing-file", "there is no file", "");
    }
    assert!(problems.has_errors());
    let list = problems.into_sorted();
    assert_eq!(list.iter().filter(|p| p.is_error()).count(), 3);
    assert_eq!(list.len(), MAX_PROBLEMS + 1);
    assert_eq!(list.last().unwrap().message, "3003 more problems are not listed");
}

#[test]
fn errors_beyond_the_limit_are_counted_and_not_stored() {
    let problems = Problems::default();
    for line in 0..10_000 {
        let at = SourceLocation { file: "a.md", line };
        problems.error(at, "word-unknown", "x".repeat(100_000), "");
    }
    assert!(problems.has_errors());
    let list = problems.into_sorted();
    assert_eq!(list.len(), MAX_PROBLEMS + 1);
    assert!(list.iter().all(|p| p.message.len() <= MAX_MESSAGE + 3));
    assert_eq!(list.last().unwrap().message, "8000 more problems are not listed");
    let same = Problems::default();
    for _ in 0..10 {
        same.error(
            SourceLocation { file: "a.png", line: 1 },
            "image-broken",
            "it is truncated",
            "",
        );
    }
    assert_eq!((same.has_errors(), same.into_sorted().len()), (true, 1));
}

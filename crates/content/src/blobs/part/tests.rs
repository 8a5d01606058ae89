use std::time::Duration;

use super::*;

#[test]
fn a_replaced_or_deleted_file_is_not_the_same_file() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (name, other) = (dir.path().join("part"), dir.path().join("other"));
    let file = open(&name).expect("the file is created");
    assert!(is_same_file(&file, &name));
    open(&other).expect("the file is created");
    match fs::rename(&other, &name) {
        // Windows before version 1607 and Wine do not replace an open file, and keep the name of a deleted one until it
        // is closed.
        Err(e) if cfg!(windows) && e.kind() == std::io::ErrorKind::PermissionDenied => return,
        renamed => {
            renamed.expect("the file is replaced");
            assert!(!is_same_file(&file, &name), "replaced");
        }
    }
    fs::remove_file(&name).expect("the file is deleted");
    assert!(!is_same_file(&file, &name), "deleted");
}

#[test]
fn opening_waits_until_the_last_writer_has_closed_the_file() {
    let leases = Arc::new(Leases::default());
    let (hash, other) = (BlobHash::of(b"river"), BlobHash::of(b"stone"));
    let writing = Leases::acquire(&leases, hash);
    // An active writer is not waited for: the next writer uses another file.
    leases.wait_for_closing(hash);
    writing.0.release();
    leases.wait_for_closing(other);
    let (sender, receiver) = std::sync::mpsc::channel();
    let waiter = std::thread::spawn({
        let leases = leases.clone();
        move || {
            leases.wait_for_closing(hash);
            sender.send(leases.table().open.len()).expect("the receiver is open");
        }
    });
    // The timeout alone does not prove that the thread waits; the state it sends afterwards does.
    assert!(receiver.recv_timeout(Duration::from_millis(20)).is_err());
    drop(writing);
    assert_eq!(receiver.recv().expect("the wait ends"), 0, "the file is closed");
    waiter.join().expect("the thread ends");
}

//! Permissions of files in a shared folder. A folder that its group may write to is shared: files
//! and folders created in it stay writable for the group, whatever the user's umask is.

use std::path::Path;

/// Copies the group permissions of `like` to `path` if `like` is a shared folder. Errors are
/// ignored: a file of another user keeps its mode.
#[cfg(unix)]
pub(crate) fn share(path: &Path, like: &Path) {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let (Ok(ours), Ok(theirs)) = (path.metadata(), like.metadata()) else { return };
    if theirs.mode() & 0o020 == 0 {
        return;
    }
    // Files get read and write for the group and the folder's bits for others; folders keep the
    // setgid bit, so that new files inherit the group.
    let mode = if ours.is_dir() { theirs.mode() & 0o7777 } else { 0o660 | (theirs.mode() & 0o006) };
    if ours.mode() & 0o7777 != mode {
        let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode));
    }
}

/// Does nothing: on other systems a new file inherits the permissions of its folder.
#[cfg(not(unix))]
pub(crate) fn share(_: &Path, _: &Path) {}

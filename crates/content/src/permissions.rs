//! Permissions in a shared folder (a folder that is writable for its group): files and folders created in
//! it are made writable for the group, regardless of the umask.

use std::path::Path;

/// Copies the group permissions of `like` to `path` if `like` is a shared folder. Errors are ignored,
/// for example if the file belongs to another user.
#[cfg(unix)]
pub(crate) fn share(path: &Path, like: &Path) {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let (Ok(own), Ok(folder)) = (path.metadata(), like.metadata()) else { return };
    if folder.mode() & 0o020 == 0 {
        return;
    }
    // Files: read and write for the group, the folder's bits for others. Folders: all bits, including
    // setgid, with which new files inherit the group.
    let mode = if own.is_dir() { folder.mode() & 0o7777 } else { 0o660 | (folder.mode() & 0o006) };
    if own.mode() & 0o7777 != mode {
        let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode));
    }
}

/// Does nothing: on Windows a new file inherits the permissions of its folder.
#[cfg(not(unix))]
pub(crate) fn share(_: &Path, _: &Path) {}

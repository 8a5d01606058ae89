//! Permissions in a folder that several users of the machine use: what is created in it gets the folder's permissions for
//! them, regardless of the umask.

use std::path::Path;

/// Makes `path` readable for those who may read the folder `like`, and writable for its group if the folder is. Errors
/// are ignored, for example if the file belongs to another user.
pub(crate) fn share(path: &Path, like: &Path) {
    apply(path, like, true);
}

/// Copies the group permissions of `like` to `path` if the folder `like` is writable for its group. For files that
/// readers do not need.
pub(crate) fn share_with_group(path: &Path, like: &Path) {
    apply(path, like, false);
}

#[cfg(unix)]
fn apply(path: &Path, like: &Path, with_readers: bool) {
    use std::{
        fs::{Permissions, set_permissions},
        os::unix::fs::{MetadataExt, PermissionsExt},
    };
    let (Ok(own), Ok(folder)) = (path.metadata(), like.metadata()) else { return };
    let (current, of_folder) = (own.mode() & 0o7777, folder.mode() & 0o7777);
    let mode = match (of_folder & 0o020 != 0, own.is_dir()) {
        // All bits, including setgid, with which new files inherit the group.
        (true, true) => of_folder,
        (true, false) => 0o660 | (of_folder & 0o006),
        (false, _) if !with_readers => return,
        (false, true) => current | (of_folder & 0o055),
        (false, false) => current | (of_folder & 0o044),
    };
    if mode != current {
        let _ = set_permissions(path, Permissions::from_mode(mode));
    }
}

/// Does nothing: on Windows a new file inherits the permissions of its folder.
#[cfg(not(unix))]
fn apply(_: &Path, _: &Path, _: bool) {}

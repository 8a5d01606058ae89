//! A folder that its group may write to is shared: what is made in it is for the group too, whatever this user's usual mode is.

use std::path::Path;

/// Gives `path` the group's rights of `like`, if that is a shared folder. Somebody else's file stays as it is.
#[cfg(unix)]
pub(crate) fn share(path: &Path, like: &Path) {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let (Ok(ours), Ok(theirs)) = (path.metadata(), like.metadata()) else { return };
    if theirs.mode() & 0o020 == 0 {
        return;
    }
    // Read and write for the group, what others may do there; a folder keeps its group for what is made in it.
    let mode = if ours.is_dir() { theirs.mode() & 0o7777 } else { 0o660 | (theirs.mode() & 0o006) };
    if ours.mode() & 0o7777 != mode {
        let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode));
    }
}

/// Elsewhere what is made inherits the rights of its folder.
#[cfg(not(unix))]
pub(crate) fn share(_: &Path, _: &Path) {}

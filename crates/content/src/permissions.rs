//! Permissions in a folder that several users of the machine use: what is created in it gets the folder's permissions for
//! them, regardless of the umask.

use std::path::Path;

/// Makes `path` readable for those who may read the folder `like`, and writable for its group if the folder is. Errors
/// are ignored, for example if the file belongs to another user.
#[cfg(unix)]
pub(crate) fn share(path: &Path, like: &Path) {
    use std::os::unix::fs::MetadataExt;
    let (Ok(own), Ok(folder)) = (path.metadata(), like.metadata()) else { return };
    if folder.mode() & 0o020 == 0 {
        // Other users only read: a program that was started with a narrow umask must not keep them from it.
        let readable = folder.mode() & if own.is_dir() { 0o055 } else { 0o044 };
        set_mode(path, &own, own.mode() | readable);
    } else {
        share_with_group(path, like);
    }
}

/// Copies the group permissions of `like` to `path` if the folder `like` is writable for its group. For files that
/// readers do not need.
#[cfg(unix)]
pub(crate) fn share_with_group(path: &Path, like: &Path) {
    use std::os::unix::fs::MetadataExt;
    let (Ok(own), Ok(folder)) = (path.metadata(), like.metadata()) else { return };
    if folder.mode() & 0o020 == 0 {
        return;
    }
    // Files: read and write for the group, the folder's bits for others. Folders: all bits, including
    // setgid, with which new files inherit the group.
    let mode = if own.is_dir() { folder.mode() & 0o7777 } else { 0o660 | (folder.mode() & 0o006) };
    set_mode(path, &own, mode);
}

#[cfg(unix)]
fn set_mode(path: &Path, own: &std::fs::Metadata, mode: u32) {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    if own.mode() & 0o7777 != mode & 0o7777 {
        let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode & 0o7777));
    }
}

/// Does nothing: on Windows a new file inherits the permissions of its folder.
#[cfg(not(unix))]
pub(crate) fn share(_: &Path, _: &Path) {}
/// Does nothing, as `share`.
#[cfg(not(unix))]
pub(crate) fn share_with_group(_: &Path, _: &Path) {}

#[cfg(all(test, unix))]
mod tests {
    use std::{
        fs::{self, Permissions},
        os::unix::fs::PermissionsExt,
        path::Path,
    };

    use super::{share, share_with_group};

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o7777
    }
    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn new_files_get_the_permissions_of_their_folder_regardless_of_the_umask() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, file, inner) = (
            dir.path().join("shared"),
            dir.path().join("shared/file"),
            dir.path().join("shared/inner"),
        );
        fs::create_dir_all(&inner).unwrap();
        fs::write(&file, "x").unwrap();
        // The folder; file and folder in it after `share`; the file after `share_with_group`.
        for (of_folder, of_file, of_inner, of_private) in [
            (0o755, 0o644, 0o755, 0o600),
            (0o750, 0o640, 0o750, 0o600),
            (0o711, 0o600, 0o711, 0o600),
            (0o700, 0o600, 0o700, 0o600),
            (0o2775, 0o664, 0o2775, 0o664),
            (0o2770, 0o660, 0o2770, 0o660),
        ] {
            set(&folder, of_folder);
            set(&file, 0o600);
            set(&inner, 0o700);
            share(&file, &folder);
            share(&inner, &folder);
            assert_eq!((mode(&file), mode(&inner)), (of_file, of_inner), "{of_folder:o}");
            set(&file, 0o600);
            share_with_group(&file, &folder);
            assert_eq!(mode(&file), of_private, "{of_folder:o}");
        }
    }
}

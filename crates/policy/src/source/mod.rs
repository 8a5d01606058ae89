//! Where policies come from, and how each source is read.

mod file;
mod json;
mod managed_configuration;
#[cfg(any(target_os = "macos", test))]
mod property_list;
#[cfg(windows)]
mod registry;

use std::{env, path::PathBuf};

pub use file::MAX_FILE_BYTES;

use crate::{
    check::RawValue,
    problem::{Position, Problem},
};

/// Environment variable with the path of a policy file that replaces all sources of the machine. Debug builds only:
/// with it, a learner could avoid the policies.
pub const OVERRIDE_VARIABLE: &str = "CARREL_POLICY_FILE";

/// Environment variable with the path of the file with the managed configuration, which the activity sets. Android only.
pub const MANAGED_CONFIGURATION_VARIABLE: &str = "CARREL_MANAGED_CONFIGURATION";

/// The key below `HKEY_LOCAL_MACHINE`.
pub const REGISTRY_KEY: &str = r"Software\Policies\Carrel";

/// Name of the policy file in the folder of the machine.
const FILE_NAME: &str = "policies.json";

/// A place with policies. Of several with the same key, the first one counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A JSON file; with `of_machine`, only administrators should be able to change it.
    File { path: PathBuf, of_machine: bool },
    /// A key below `HKEY_LOCAL_MACHINE`. Absent on other systems than Windows.
    Registry { key: String },
    /// A property list of managed preferences. Absent on other systems than macOS.
    PropertyList { path: PathBuf },
    /// The managed configuration of Android, in a file that the activity writes.
    ManagedConfiguration { path: PathBuf },
}

/// A key of a source, with its value.
#[derive(Debug)]
pub struct RawEntry {
    pub name: String,
    pub value: RawValue,
    pub position: Option<Position>,
}

/// The contents of a source.
#[derive(Debug, Default)]
pub struct Contents {
    pub entries: Vec<RawEntry>,
    /// Problems that do not prevent the use of the source.
    pub warnings: Vec<Problem>,
}

impl Source {
    /// Returns the name of the source in reports.
    pub fn name(&self) -> String {
        match self {
            Self::File { path, .. } | Self::PropertyList { path } => path.display().to_string(),
            Self::Registry { key } => format!(r"HKEY_LOCAL_MACHINE\{key}"),
            Self::ManagedConfiguration { .. } => "managed configuration".to_owned(),
        }
    }

    /// Reads the source. `None` if it does not exist.
    pub fn read(&self) -> Result<Option<Contents>, Problem> {
        match self {
            Self::File { path, of_machine } => {
                let Some(file) = file::read(self, path, *of_machine)? else { return Ok(None) };
                let text = file::decode(self, &file.bytes)?;
                let entries = json::parse(self, &text)?;
                Ok(Some(Contents { entries, warnings: file.warnings }))
            }
            #[cfg(windows)]
            Self::Registry { key } => registry::read(self, key),
            #[cfg(not(windows))]
            Self::Registry { .. } => Ok(None),
            #[cfg(target_os = "macos")]
            Self::PropertyList { path } => {
                let Some(file) = file::read(self, path, true)? else { return Ok(None) };
                let entries = property_list::parse(self, &file.bytes)?;
                Ok(Some(Contents { entries, warnings: file.warnings }))
            }
            #[cfg(not(target_os = "macos"))]
            Self::PropertyList { .. } => Ok(None),
            Self::ManagedConfiguration { path } => {
                // The file belongs to the app, as all files that an app of Android can write.
                let Some(file) = file::read(self, path, false)? else { return Ok(None) };
                let text = file::decode(self, &file.bytes)?;
                let entries = managed_configuration::parse(self, &text)?;
                Ok(Some(Contents { entries, warnings: file.warnings }))
            }
        }
    }
}

/// Returns the folder of the machine for the policy file; none on phones.
pub fn machine_folder() -> Option<PathBuf> {
    if cfg!(windows) {
        // Not the variable ProgramData, which a learner could set for the app.
        Some(PathBuf::from(format!(r"{}\ProgramData\Carrel", system_drive())))
    } else if cfg!(target_os = "macos") {
        Some(PathBuf::from("/Library/Application Support/Carrel"))
    } else if cfg!(any(target_os = "android", target_os = "ios")) {
        None
    } else {
        Some(PathBuf::from("/etc/carrel"))
    }
}

/// Returns the drive of Windows, for example `C:`.
fn system_drive() -> String {
    #[cfg(windows)]
    if let Some(drive) = registry::system_drive() {
        return drive;
    }
    "C:".to_owned()
}

/// Returns the sources of this machine. Those that a management system distributes come first.
pub fn machine_sources() -> Vec<Source> {
    let chosen = env::var_os(OVERRIDE_VARIABLE).filter(|path| !path.is_empty());
    if let Some(path) = chosen
        && cfg!(debug_assertions)
    {
        return vec![Source::File { path: path.into(), of_machine: false }];
    }
    let mut sources = Vec::new();
    if cfg!(windows) {
        sources.push(Source::Registry { key: REGISTRY_KEY.into() });
    }
    if cfg!(target_os = "macos") {
        let path = PathBuf::from("/Library/Managed Preferences/org.carrel.app.plist");
        sources.push(Source::PropertyList { path });
    }
    if cfg!(target_os = "android")
        && let Some(path) = env::var_os(MANAGED_CONFIGURATION_VARIABLE)
    {
        sources.push(Source::ManagedConfiguration { path: path.into() });
    }
    if let Some(folder) = machine_folder() {
        sources.push(Source::File { path: folder.join(FILE_NAME), of_machine: true });
    }
    sources
}

//! The folders of this instance: accounts, content, demo library, downloads.
//!
//! Not here: the files in them.

use std::{env, path::PathBuf};

use carrel_client::support::Folders;
use tauri::{AppHandle, Manager, Runtime};

/// Environment variable with a folder that replaces the system's folders: for tests, or for two devices on one
/// machine.
const DATA_DIR: &str = "CARREL_DATA_DIR";

/// The identifier in tauri.conf.json, which is the name of the app's folders.
#[cfg(desktop)]
const IDENTIFIER: &str = "org.carrel.app";

/// Environment variable with the folder of the demo library, for a program that is not installed.
const DEMO_DIR: &str = "CARREL_DEMO_DIR";

/// The folders of an instance.
#[derive(Clone)]
pub struct Profile {
    chosen: Option<PathBuf>,
}

impl Profile {
    /// Returns the system's folders, or the one that `CARREL_DATA_DIR` names.
    pub fn from_env() -> Self {
        Self { chosen: env::var_os(DATA_DIR).filter(|dir| !dir.is_empty()).map(PathBuf::from) }
    }

    /// Returns true if the files are in the system's folders.
    #[cfg(desktop)]
    pub fn is_default(&self) -> bool {
        self.chosen.is_none()
    }

    /// Returns the folder of accounts and learning records.
    pub fn data_dir<R: Runtime>(&self, app: &AppHandle<R>) -> tauri::Result<PathBuf> {
        match &self.chosen {
            Some(dir) => Ok(std::path::absolute(dir)?),
            None => app.path().app_local_data_dir(),
        }
    }

    /// Returns the folder of updates. It is known before the app is built: a new version may fail while it is built.
    #[cfg(desktop)]
    pub fn updates_dir(&self) -> Option<PathBuf> {
        let data_dir = match &self.chosen {
            Some(dir) => std::path::absolute(dir).ok(),
            None => dirs::data_local_dir().map(|dir| dir.join(IDENTIFIER)),
        };
        data_dir.map(|dir| carrel_client::updates_dir(&dir))
    }

    /// Returns the folder of content, which can be downloaded again.
    pub fn cache_dir<R: Runtime>(&self, app: &AppHandle<R>) -> tauri::Result<PathBuf> {
        match &self.chosen {
            Some(dir) => Ok(std::path::absolute(dir.join("cache"))?),
            None => app.path().app_cache_dir(),
        }
    }

    /// Returns the folders of accounts and of content without an app: the same as `data_dir` and `cache_dir`. None if
    /// this system does not tell them.
    pub fn folders(&self, identifier: &str) -> Option<Folders> {
        if let Some(dir) = &self.chosen {
            let data_dir = std::path::absolute(dir).ok()?;
            return Some(Folders { cache_dir: data_dir.join("cache"), data_dir });
        }
        let variable =
            |name: &str| env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
        let (data, cache) = if cfg!(windows) {
            let local = variable("LOCALAPPDATA")?;
            (local.clone(), local)
        } else if cfg!(target_os = "macos") {
            let library = variable("HOME")?.join("Library");
            (library.join("Application Support"), library.join("Caches"))
        } else if cfg!(target_os = "linux") {
            let of_home = |folder: &str| Some(variable("HOME")?.join(folder));
            (
                variable("XDG_DATA_HOME").or_else(|| of_home(".local/share"))?,
                variable("XDG_CACHE_HOME").or_else(|| of_home(".cache"))?,
            )
        } else {
            return None;
        };
        Some(Folders { data_dir: data.join(identifier), cache_dir: cache.join(identifier) })
    }

    /// Returns the folder of the demo library, if there is one.
    pub fn demo_dir<R: Runtime>(&self, app: &AppHandle<R>) -> Option<PathBuf> {
        let chosen = env::var_os(DEMO_DIR).filter(|dir| !dir.is_empty()).map(PathBuf::from);
        let bundled = || app.path().resource_dir().ok().map(|dir| dir.join("demo-library"));
        chosen.or_else(bundled).filter(|dir| dir.is_dir())
    }

    /// Returns the folder for exported files: the system's downloads folder; on a phone the documents folder, which the
    /// Files app shows.
    pub fn downloads_dir<R: Runtime>(&self, app: &AppHandle<R>) -> Option<PathBuf> {
        let path = app.path();
        match &self.chosen {
            Some(dir) => {
                let own = std::path::absolute(dir.join("downloads")).ok()?;
                std::fs::create_dir_all(&own).ok().map(|()| own)
            }
            None if cfg!(mobile) => path.document_dir().ok(),
            None => path.download_dir().or_else(|_| path.document_dir()).ok(),
        }
    }

    /// Returns the folder of the webview's files, if it is not the system's.
    pub fn webview_dir(&self) -> Option<PathBuf> {
        self.chosen.as_ref().and_then(|dir| std::path::absolute(dir.join("webview")).ok())
    }
}

#[cfg(all(test, desktop))]
mod tests {
    use super::*;

    #[test]
    fn the_identifier_is_that_of_the_configuration() {
        let config: serde_json::Value =
            serde_json::from_str(include_str!("../../../tauri.conf.json")).unwrap();
        assert_eq!(config["identifier"], IDENTIFIER);
    }
}

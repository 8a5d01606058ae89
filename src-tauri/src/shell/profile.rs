//! Where this start keeps its files.

use std::{env, path::PathBuf};

use tauri::{AppHandle, Manager, Runtime};

/// Names a folder to use instead of the system's place: a second, separate Carrel (tests, two devices on one machine).
const DATA_DIR: &str = "CARREL_DATA_DIR";

/// Names a folder with the demo library, for a program that was not installed.
const DEMO_DIR: &str = "CARREL_DEMO_DIR";

/// The set of files one start works on.
#[derive(Clone)]
pub struct Profile {
    chosen: Option<PathBuf>,
}

impl Profile {
    /// The system's place, or the folder that `CARREL_DATA_DIR` names.
    pub fn from_env() -> Self {
        Self { chosen: env::var_os(DATA_DIR).filter(|dir| !dir.is_empty()).map(PathBuf::from) }
    }

    /// Whether the files lie in the system's place.
    #[cfg(desktop)]
    pub fn is_default(&self) -> bool {
        self.chosen.is_none()
    }

    /// The folder with accounts and learners' work.
    pub fn data_dir<R: Runtime>(&self, app: &AppHandle<R>) -> tauri::Result<PathBuf> {
        match &self.chosen {
            Some(dir) => Ok(std::path::absolute(dir)?),
            None => app.path().app_local_data_dir(),
        }
    }

    /// The folder with content, which can be fetched again.
    pub fn cache_dir<R: Runtime>(&self, app: &AppHandle<R>) -> tauri::Result<PathBuf> {
        match &self.chosen {
            Some(dir) => Ok(std::path::absolute(dir.join("cache"))?),
            None => app.path().app_cache_dir(),
        }
    }

    /// The library that came with this build, if one did.
    pub fn demo_dir<R: Runtime>(&self, app: &AppHandle<R>) -> Option<PathBuf> {
        let chosen = env::var_os(DEMO_DIR).filter(|dir| !dir.is_empty()).map(PathBuf::from);
        let packed = || app.path().resource_dir().ok().map(|dir| dir.join("demo-library"));
        chosen.or_else(packed).filter(|dir| dir.is_dir())
    }

    /// Where files for other people go: the system's folder for downloads; on a phone the documents that its Files app shows.
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

    /// The folder of the webview's own files, if not the system's place.
    pub fn webview_dir(&self) -> Option<PathBuf> {
        self.chosen.as_ref().and_then(|dir| std::path::absolute(dir.join("webview")).ok())
    }
}

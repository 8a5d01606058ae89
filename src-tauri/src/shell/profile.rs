//! Where this start keeps its files.

use std::{env, fs, path::PathBuf};

use tauri::{AppHandle, Manager, Runtime};

/// Names a folder to use instead of the system's place: a second, separate Carrel (tests, two devices on one machine).
const DATA_DIR: &str = "CARREL_DATA_DIR";

/// The set of files one start works on.
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

    /// The folder with the learner's databases and blobs; made if missing.
    pub fn data_dir<R: Runtime>(&self, app: &AppHandle<R>) -> tauri::Result<PathBuf> {
        let dir = match &self.chosen {
            Some(dir) => std::path::absolute(dir)?,
            None => app.path().app_local_data_dir()?,
        };
        fs::create_dir_all(&dir)?;
        Ok(dir)
    }

    /// The folder of the webview's own files, if not the system's place.
    pub fn webview_dir(&self) -> Option<PathBuf> {
        self.chosen.as_ref().and_then(|dir| std::path::absolute(dir.join("webview")).ok())
    }
}

//! What this program says about its installation, the guard at its start, and the installer of the updater plugin.
//!
//! Not here: decisions, downloads, replaced program files (`carrel_client::update`).

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::{Arc, OnceLock},
};

use carrel_client::{
    system::SystemDisk,
    update::{
        Error, Keys, PackageKind, Result, Target, VerifiedFeed,
        decision::Installation,
        download::packages_dir,
        guard::{Guard, Start},
        journal::Journal,
        offline,
        updater::{Installer, Setup, install_package},
    },
    update_policy,
};
use carrel_policy::Policies;
use semver::Version;
use tauri::{
    AppHandle, Runtime, Url,
    utils::{config::BundleType, platform::bundle_type},
};
use tauri_plugin_updater::UpdaterExt;

/// The address of the feed that is compiled in.
const URL: Option<&str> = option_env!("CARREL_UPDATE_URL");

/// In a debug build: address of a feed and public key, for tests of the whole app.
const DEBUG_URL: &str = "CARREL_UPDATE_URL";
const DEBUG_KEY: &str = "CARREL_UPDATE_PUBLIC_KEY";

/// The start of this process.
static GUARD: OnceLock<Guard> = OnceLock::new();

/// Counts the start of a new version. If it did not start before, starts the previous program with the same arguments
/// and returns the exit code of this one.
pub fn guard(updates: &Path) -> Option<ExitCode> {
    let guard = GUARD.get_or_init(|| Guard::start(updates, &version(), &program()));
    let Start::Previous(program) = guard.decision() else { return None };
    match Command::new(program).args(env::args_os().skip(1)).spawn() {
        Ok(_) => Some(ExitCode::SUCCESS),
        Err(error) => {
            tracing::error!(error = %error, "the previous version could not be started");
            None
        }
    }
}

/// Records that the UI is loaded. Only the first call has an effect.
pub fn ready() {
    static READY: OnceLock<()> = OnceLock::new();
    READY.get_or_init(|| {
        std::thread::spawn(|| GUARD.get().map(Guard::ready));
    });
}

/// Returns the version of this program.
pub fn version() -> Version {
    env!("CARGO_PKG_VERSION").parse().unwrap_or(Version::new(0, 0, 0))
}

/// Returns the file that an update replaces: the AppImage if this is one.
fn program() -> PathBuf {
    match env::var_os("APPIMAGE").filter(|path| !path.is_empty()) {
        Some(path) if cfg!(target_os = "linux") => path.into(),
        _ => env::current_exe().unwrap_or_default(),
    }
}

/// Returns the kind of package from which this program was installed.
fn package() -> Option<PackageKind> {
    if env::var_os("FLATPAK_ID").is_some() {
        return Some(PackageKind::Flatpak);
    }
    match bundle_type() {
        Some(BundleType::Deb) => Some(PackageKind::Deb),
        Some(BundleType::Rpm) => Some(PackageKind::Rpm),
        Some(BundleType::AppImage) => Some(PackageKind::AppImage),
        Some(BundleType::Msi) => Some(PackageKind::Msi),
        Some(BundleType::Nsis) => Some(PackageKind::Nsis),
        Some(BundleType::App) => Some(PackageKind::App),
        _ if cfg!(target_os = "linux")
            && (cfg!(not(debug_assertions)) || debug(DEBUG_URL).is_some()) =>
        {
            Some(PackageKind::Program)
        }
        _ => None,
    }
}

fn debug(name: &str) -> Option<String> {
    if cfg!(debug_assertions) { env::var(name).ok().filter(|v| !v.is_empty()) } else { None }
}

/// Returns the facts of this installation.
pub fn setup(policies: &Policies, installer: Option<Arc<dyn Installer>>) -> Result<Setup> {
    let keys = match debug(DEBUG_KEY) {
        Some(key) => Keys::parse([key.as_str()])?,
        None => Keys::compiled_in()?,
    };
    let urls: Vec<String> =
        debug(DEBUG_URL).or_else(|| URL.map(str::to_owned)).into_iter().collect();
    let policy = update_policy(policies, &urls);
    Ok(Setup {
        version: version(),
        package: package(),
        program: program(),
        keys,
        urls,
        policy,
        installer,
    })
}

/// Installs an update file; returns the installed version. Blocking.
pub fn install_file(updates: &Path, file: &Path) -> Result<Version> {
    let setup = setup(&carrel_policy::load().policies, None)?;
    let package = setup
        .package
        .ok_or_else(|| Error::NotSetUp("the program was not installed from a package".into()))?;
    let installation = Installation {
        version: setup.version.clone(),
        target: Target::of_this_program(package),
        device_id: String::new(),
        failed_versions: Journal::read(updates).failed,
    };
    let dir = packages_dir(updates);
    let found = offline::read(&setup.keys, file, &installation, &setup.policy, &dir)?;
    let path = found.package.path.clone();
    let version = found.feed.version.clone();
    install_package(&setup, updates, &SystemDisk, &found.feed, installation.target, path)?;
    Ok(version)
}

/// Installs with the updater plugin. On Windows this ends the process.
pub struct PluginInstaller<R: Runtime> {
    app: AppHandle<R>,
    keys: Keys,
}

impl<R: Runtime> PluginInstaller<R> {
    /// Creates the installer; `keys` are those that `carrel_client::update` accepts.
    pub fn new(app: AppHandle<R>, keys: Keys) -> Self {
        Self { app, keys }
    }
}

impl<R: Runtime> Installer for PluginInstaller<R> {
    fn install(&self, feed: &VerifiedFeed, target: &str, package: &Path) -> Result<()> {
        let failed = |e: tauri_plugin_updater::Error| Error::Installer(e.to_string());
        let file = feed.files.get(target).ok_or(Error::NotNow("the release has no such file"))?;
        let bytes = std::fs::read(package)?;
        let base64 = |text: &str| data_encoding::BASE64.encode(text.as_bytes());
        // The plugin requests neither of these addresses: the package is here.
        let unused = "https://updates.invalid/";
        let metadata = serde_json::json!({
            "version": feed.version.to_string(),
            "url": unused,
            "signature": base64(&file.signature),
        });
        let mut last = Error::NotSetUp("it has no public key".into());
        // The plugin accepts one key.
        for key in self.keys.to_files() {
            let endpoint = Url::parse(unused).map_err(|e| Error::Installer(e.to_string()))?;
            let updater = self.app.updater_builder().endpoints(vec![endpoint]).map_err(failed)?;
            let updater = updater.pubkey(base64(&key)).build().map_err(failed)?;
            let update = updater.restore_update(metadata.clone()).map_err(failed)?;
            let update = update.ok_or(Error::NotNow("the plugin found no newer version"))?;
            match update.verify(&bytes) {
                Ok(()) => return update.install(&bytes).map_err(failed),
                Err(error) => last = failed(error),
            }
        }
        Err(last)
    }
}

//! A virtual screen (Xvfb), with screenshots by ImageMagick's `import`.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::sh::{self, Background, Result};

/// A virtual screen with its own session bus; both are stopped when this value is dropped.
pub struct Screen {
    _xvfb: Background,
    display: String,
    _bus: Background,
    bus: String,
}

impl Screen {
    /// Starts Xvfb with `width` x `height` pixels on a free display number. Writes logs to `logs`.
    pub fn start(width: u32, height: u32, logs: &Path) -> Result<Self> {
        let log = logs.join("xvfb.log");
        let mut command = Command::new("Xvfb");
        command.args(["-displayfd", "1", "-nolisten", "tcp", "-screen", "0"]);
        command.arg(format!("{width}x{height}x24"));
        let mut xvfb = Background::start("Xvfb", &command, &log)?;
        let number = xvfb.wait_until(Duration::from_secs(20), || {
            let text = fs::read_to_string(&log).ok()?;
            text.lines().find_map(|line| line.trim().parse::<u32>().ok())
        })?;
        let log = logs.join("dbus.log");
        let mut command = Command::new("dbus-daemon");
        command.args(["--session", "--nofork", "--nopidfile", "--print-address"]);
        let mut bus = Background::start("dbus-daemon", &command, &log)?;
        let address = bus.wait_until(Duration::from_secs(20), || {
            let text = fs::read_to_string(&log).ok()?;
            text.lines().find(|line| line.starts_with("unix:")).map(str::to_owned)
        })?;
        Ok(Self { _xvfb: xvfb, display: format!(":{number}"), _bus: bus, bus: address })
    }

    /// Returns the address of the session bus.
    pub fn bus(&self) -> &str {
        &self.bus
    }

    /// Sets the environment of `command`, so that it opens its window on this screen.
    pub fn configure(&self, command: &mut Command) {
        command
            .env("DISPLAY", &self.display)
            .env("DBUS_SESSION_BUS_ADDRESS", &self.bus)
            .env("GDK_BACKEND", "x11")
            .env_remove("WAYLAND_DISPLAY")
            .env("NO_AT_BRIDGE", "1")
            // A virtual screen has no GPU.
            .env("LIBGL_ALWAYS_SOFTWARE", "1")
            .env("WEBKIT_DISABLE_DMABUF_RENDERER", "1");
    }

    /// Saves the content of the screen as a PNG. (WebDriver's own screenshot command hangs without a window manager.)
    pub fn screenshot(&self, file: &Path) -> Result<PathBuf> {
        if let Some(dir) = file.parent() {
            fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        }
        sh::output(
            Command::new("import").args(["-display", &self.display, "-window", "root"]).arg(file),
        )?;
        Ok(file.to_owned())
    }
}

/// Returns true if a display is available to the user.
pub fn has_display() -> bool {
    cfg!(any(windows, target_os = "macos"))
        || ["DISPLAY", "WAYLAND_DISPLAY"]
            .iter()
            .any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()))
}

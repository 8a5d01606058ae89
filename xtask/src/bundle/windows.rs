//! Installers for Windows, made on Linux: an executable by makensis and an MSI by wixl. The programs were built by
//! `cargo xtask platforms windows`, or are those of `--bin-dir`. They are not signed; docs/DISTRIBUTION.md.

use std::path::{Path, PathBuf};

use super::{
    Options,
    staging::{FILE, PROGRAM, Staging},
};
use crate::{
    setup::{self, Part},
    sh::{self, Result},
};

const DIR: &str = "packaging/windows";
const LOADER: &str = "WebView2Loader.dll";
const ICON: &str = "assets/icons/icon.ico";

pub fn build(options: &Options) -> Result<Vec<PathBuf>> {
    setup::install_packages(&[Part::Installers])?;
    let version = options.version()?;
    let built = sh::root().join("target-platforms/x86_64-pc-windows-gnu/debug");
    let programs = options.bin_dir.clone().unwrap_or_else(|| built.clone());
    let staging = Staging::new(sh::target().join("bundle-work/windows"))?;
    let hint = "\nhint: cargo xtask platforms windows, or --bin-dir DIR";
    let copied = staging.copy(programs.join("carrel.exe"), "carrel.exe", PROGRAM);
    copied.map_err(|error| error + hint)?;
    // Programs built with MSVC contain the loader.
    let loader = programs.join(LOADER);
    if loader.exists() {
        staging.copy(loader, LOADER, PROGRAM)?;
    }
    // A debug build is several times as large with its symbols. Other programs may be signed.
    if programs == built && sh::which("x86_64-w64-mingw32-strip").is_some() {
        let program = staging.root.join("carrel.exe");
        sh::output(sh::program("x86_64-w64-mingw32-strip").arg(program))?;
    }
    // Windows' own editor shows a text with CRLF line ends in all versions.
    let licence = sh::read(&sh::root().join("LICENSE-MIT"))?.replace('\n', "\r\n");
    staging.write("LICENSE.txt", licence.as_bytes(), FILE)?;
    let out = options.out();
    std::fs::create_dir_all(&out).map_err(|e| format!("{}: {e}", out.display()))?;
    Ok(vec![executable(&staging.root, &version, &out)?, msi(&staging.root, &version, &out)?])
}

fn executable(input: &Path, version: &str, out: &Path) -> Result<PathBuf> {
    let file = out.join(format!("carrel_{version}_x64-setup.exe"));
    let mut command = sh::program("makensis");
    command.args(["-V2", "-INPUTCHARSET", "UTF8"]).args([
        format!("-DVERSION={version}"),
        format!("-DVERSION4={}.0", numbers(version)?),
        format!("-DINPUT={}", input.display()),
        format!("-DICON={}", sh::root().join(ICON).display()),
        format!("-DOUTFILE={}", file.display()),
    ]);
    sh::output(command.arg(sh::root().join(DIR).join("carrel.nsi")))?;
    Ok(file)
}

/// Changes of the MSI that wixl cannot express: components that depend on a property, of which the policies stay after an
/// uninstallation (attribute 16), and the properties that a command line may set.
const MSI_QUERIES: &[&str] = &[
    "UPDATE `Component` SET `Condition` = 'SERVERADDRESS', `Attributes` = 276 WHERE `Component` = 'ServerPolicy'",
    "UPDATE `Component` SET `Condition` = 'ENROLMENTTOKEN' WHERE `Component` = 'TokenPolicy'",
    "UPDATE `Component` SET `Condition` = 'UPDATECHANNEL', `Attributes` = 276 WHERE `Component` = 'ChannelPolicy'",
    "UPDATE `Property` SET `Value` = 'WIX_DOWNGRADE_DETECTED;WIX_UPGRADE_DETECTED;SERVERADDRESS;ENROLMENTTOKEN;\
     UPDATECHANNEL' WHERE `Property` = 'SecureCustomProperties'",
    "INSERT INTO `Property` (`Property`, `Value`) VALUES ('MsiHiddenProperties', 'ENROLMENTTOKEN')",
];

fn msi(input: &Path, version: &str, out: &Path) -> Result<PathBuf> {
    let file = out.join(format!("carrel_{version}_x64.msi"));
    // wixl finds files beside its source only, and its conditions work only outside of elements.
    let source = sh::read(&sh::root().join(DIR).join("carrel.wxs"))?;
    let has_loader = input.join(LOADER).exists();
    let lines = source.lines().filter(|line| has_loader || !line.contains(LOADER));
    let source: String = lines.map(|line| format!("{line}\n")).collect();
    sh::write_if_changed(&input.join("carrel.wxs"), &source)?;
    std::fs::copy(sh::root().join(ICON), input.join("carrel.ico"))
        .map_err(|e| format!("{ICON}: {e}"))?;
    let mut command = sh::program("wixl");
    command.current_dir(input).args(["--arch", "x64", "-D"]);
    command.arg(format!("Version={}", numbers(version)?)).arg("-o").arg(&file);
    sh::output(command.arg("carrel.wxs"))?;
    sh::output(sh::program("msibuild").arg(&file).arg("-q").args(MSI_QUERIES))?;
    Ok(file)
}

/// Returns the three numbers of a version. Windows knows no pre-releases: they have the numbers of their release.
fn numbers(version: &str) -> Result<String> {
    let numbers = version.split(['-', '+']).next().unwrap_or_default();
    let is_number = |part: &str| part.parse::<u16>().is_ok();
    if numbers.split('.').count() == 3 && numbers.split('.').all(is_number) {
        return Ok(numbers.to_owned());
    }
    Err(format!("the version {version} has no three numbers below 65536\nhint: 1.2.3"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_three_numbers() {
        assert_eq!(numbers("1.2.3").as_deref(), Ok("1.2.3"));
        assert_eq!(numbers("1.2.3-beta.1").as_deref(), Ok("1.2.3"));
        for bad in ["1.2", "1.2.3.4", "1.2.x", "", "1.2.70000"] {
            assert!(numbers(bad).is_err(), "{bad}");
        }
    }
}

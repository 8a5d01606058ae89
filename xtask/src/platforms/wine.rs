//! Runs tests for Windows in Wine, with a separate prefix and a library that Wine does not include.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::sh::{self, Result};

/// Source of `bcryptprimitives.dll`, which Rust's standard library calls for random numbers and which Debian 12's Wine
/// does not include. It calls a function that Wine provides. Used for tests only.
const RANDOM_DLL_SOURCE: &str = r#"#include <windows.h>
BOOLEAN WINAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size) {
  while (size > 0) {
    ULONG part = size > 0x10000 ? 0x10000 : (ULONG)size;
    if (!SystemFunction036(data, part)) return FALSE;
    data += part;
    size -= part;
  }
  return TRUE;
}
"#;

/// Builds `bcryptprimitives.dll` in `dir`, and returns its path. It must be in the folder of each program.
pub fn random_library(dir: &Path) -> Result<PathBuf> {
    let source = dir.join("bcryptprimitives.c");
    let library = dir.join("bcryptprimitives.dll");
    sh::write_if_changed(&source, RANDOM_DLL_SOURCE)?;
    if !library.exists() {
        let mut compiler = Command::new("x86_64-w64-mingw32-gcc");
        sh::run(
            compiler.args(["-shared", "-O1", "-o"]).args([&library, &source]).arg("-ladvapi32"),
        )?;
    }
    Ok(library)
}

/// Writes the script with which cargo starts tests, and returns its path.
pub fn runner(target_dir: &Path) -> Result<PathBuf> {
    let dir = target_dir.join("wine");
    random_library(&dir)?;
    let wine = ["/usr/lib/wine/wine64", "/usr/bin/wine64"]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .ok_or("wine64 was not found in /usr/lib/wine or /usr/bin")?;
    let dir = dir.display();
    let script = format!(
        "#!/bin/sh\n\
         # Console programs only: no display, no Mono, no Gecko.\n\
         export WINEPREFIX='{dir}/prefix' WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml='\n\
         # Some tests expect another result where Wine behaves differently from Windows.\n\
         export CARREL_UNDER_WINE=1\n\
         unset DISPLAY\n\
         cp -u '{dir}/bcryptprimitives.dll' \"$(dirname \"$1\")/\"\n\
         exec {wine} \"$@\"\n"
    );
    let path = target_dir.join("wine/run");
    sh::write_script(&path, &script)?;
    Ok(path)
}

//! Output of the commands that print a report.

use std::io::{self, Write as _};

/// Writes a text to standard output.
///
/// A release build for Windows has no console of its own. If its output is not redirected, it writes to the console of
/// the program that started it, which does not wait for it: `start /wait carrel --policy-report` does.
pub fn print(text: &str) {
    attach();
    let mut out = io::stdout().lock();
    // Fails only if the output is closed, and then nobody reads it.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(windows)]
fn attach() {
    use std::os::windows::io::AsRawHandle as _;

    /// `ATTACH_PARENT_PROCESS`: the process that started this one.
    const PARENT: u32 = u32::MAX;
    // Without a console and without a redirection there is no handle.
    if io::stdout().as_raw_handle().is_null() {
        // Fails if the other program has no console either: then there is no place for the output.
        let _ = win32console::console::WinConsole::attach_console(PARENT);
    }
}

#[cfg(not(windows))]
fn attach() {}

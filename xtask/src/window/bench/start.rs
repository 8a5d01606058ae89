//! Measures one start of a program: time of execution, time of the first list paint, memory of its processes.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use crate::{
    sh::{self, Result},
    window::{driver::Window, screen::Screen},
};

/// Name of the performance mark set when a list is painted (ui/src/state/markFirstPaint.ts).
const MARK: &str = "list";
/// Delay before the memory of a program is read.
const MEMORY_DELAY: Duration = Duration::from_millis(1_500);

/// A program that is started repeatedly, with its files.
pub struct Program {
    data: PathBuf,
    script: PathBuf,
    started: PathBuf,
    logs: PathBuf,
}

/// A running program with its window open.
pub struct Started {
    pub window: Window,
    pub pid: u32,
    /// Time immediately before the program was executed. Milliseconds since 1970.
    started_at: f64,
}

/// Times of page events since the start. Milliseconds.
pub struct StartTimes {
    /// Start of the page's navigation.
    pub navigation: f64,
    /// First contentful paint.
    pub content: Option<f64>,
    /// Paint of the list.
    pub list: f64,
}

/// Memory as proportional set size (PSS). MiB.
pub struct Memory {
    /// The program's own process.
    pub own: f64,
    /// All processes, including those of the engine that it started.
    pub all: f64,
}

impl Program {
    /// Prepares `binary` with its files in `folder`/`name`.
    pub fn new(name: &str, binary: &Path, folder: &Path) -> Result<Self> {
        if !binary.exists() {
            return Err(format!("{} is not built", binary.display()));
        }
        let script = folder.join(format!("start-{name}"));
        let started = folder.join(format!("started-{name}"));
        // The driver starts the program; this script records the time and the process id.
        let text = format!(
            "#!/bin/sh\necho \"$$ $(date +%s%N)\" > '{}'\nexec '{}' \"$@\"\n",
            started.display(),
            binary.display()
        );
        sh::write_script(&script, &text)?;
        Ok(Self { data: folder.join(name), script, started, logs: folder.join("logs") })
    }

    /// Starts the program and returns it once its WebDriver session is open.
    pub fn start(&self, screen: &Screen) -> Result<Started> {
        let env = [("LANG", "C.UTF-8"), ("LANGUAGE", "en"), ("CARREL_LOG", "warn")];
        let window = Window::open(screen, &self.script, &self.data, &env, &self.logs)?;
        let line = sh::read(&self.started)?;
        let numbers = line
            .trim()
            .split_once(' ')
            .and_then(|(pid, at)| Some((pid.parse::<u32>().ok()?, at.parse::<f64>().ok()? / 1e6)));
        let (pid, started_at) = numbers.ok_or_else(|| format!("no start time in {line:?}"))?;
        Ok(Started { window, pid, started_at })
    }
}

impl Started {
    /// Waits until the list is painted and returns the times.
    pub fn times(&self) -> Result<StartTimes> {
        let marked = format!("performance.getEntriesByName('{MARK}').length > 0");
        self.window.wait_true("the list to be painted", &marked)?;
        let script = "return [performance.timeOrigin, performance.getEntriesByName(arguments[0])[0].startTime, \
            performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null]";
        let found = self.window.script(script, &[MARK.into()])?;
        let number = |n: usize| found[n].as_f64();
        let (Some(origin), Some(list)) = (number(0), number(1)) else {
            return Err(format!("the page returned no times: {found}"));
        };
        let navigation = origin - self.started_at;
        Ok(StartTimes {
            navigation,
            content: number(2).map(|at| navigation + at),
            list: navigation + list,
        })
    }

    /// Returns the memory in use, after a delay of [`MEMORY_DELAY`].
    pub fn memory(&self) -> Result<Memory> {
        thread::sleep(MEMORY_DELAY);
        let mut all = 0.0;
        for pid in process_tree(self.pid) {
            // A process may have ended since the listing.
            all += process_pss(pid).unwrap_or_default();
        }
        Ok(Memory { own: process_pss(self.pid)?, all })
    }

    /// Returns the memory of the program's own process in MiB, without pages of files, which the system can drop: code and
    /// fonts.
    pub fn memory_without_files(&self) -> Result<f64> {
        let text = rollup(self.pid)?;
        let field =
            |name| pss(&text, name).ok_or_else(|| format!("process {} has no {name}", self.pid));
        Ok(field("Pss:")? - field("Pss_File:")?)
    }
}

/// PSS of one process. MiB.
fn process_pss(pid: u32) -> Result<f64> {
    pss(&rollup(pid)?, "Pss:").ok_or_else(|| format!("process {pid} has no Pss"))
}

fn rollup(pid: u32) -> Result<String> {
    sh::read(&PathBuf::from(format!("/proc/{pid}/smaps_rollup")))
}

/// Returns a field of `smaps_rollup` in MiB.
fn pss(rollup: &str, field: &str) -> Option<f64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse::<f64>().ok().map(|kib| kib / 1024.0)
}

/// Returns the process and all its descendants.
fn process_tree(pid: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            Some((pid, parent(&stat)?))
        })
        .collect();
    let mut found = vec![pid];
    let mut next = 0;
    while next < found.len() {
        let parent_pid = found[next];
        found.extend(
            parents.iter().filter(|(_, parent)| *parent == parent_pid).map(|(pid, _)| *pid),
        );
        next += 1;
    }
    found
}

/// Parses the parent's id. The name in brackets may contain spaces and brackets.
fn parent(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_parsed() {
        assert_eq!(parent("17 (Web (Content) x) S 4 17 17 0"), Some(4));
        assert_eq!(
            pss("7f00 ---p [rollup]\nRss:  4096 kB\nPss:    2048 kB\nPss_File: 1024 kB\n", "Pss:"),
            Some(2.0)
        );
        assert!(process_tree(std::process::id()).contains(&std::process::id()));
    }
}

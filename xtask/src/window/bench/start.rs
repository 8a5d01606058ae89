//! One start of a program: when it was asked for, when its first list was drawn, what its processes hold in memory.

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

/// What is set down when a list is on the screen (ui/src/state/markFirstPaint.ts).
const MARK: &str = "list";
/// How long a program is left alone before its memory is read.
const SETTLED: Duration = Duration::from_millis(1_500);

/// A program to start again and again, with its files.
pub struct Program {
    data: PathBuf,
    script: PathBuf,
    started: PathBuf,
    logs: PathBuf,
}

/// A program that runs, with its window open.
pub struct Started {
    pub window: Window,
    pub pid: u32,
    /// The moment before the program was executed. Milliseconds since 1970.
    asked_at: f64,
}

/// Milliseconds from the start to each moment of the page.
pub struct Moments {
    /// The page began to load.
    pub navigation: f64,
    /// The first content was drawn.
    pub content: Option<f64>,
    /// The list was drawn.
    pub list: f64,
}

/// Memory by proportional share (Pss). MiB.
pub struct Memory {
    /// The program's own process.
    pub own: f64,
    /// With every process that it started: the engine's.
    pub all: f64,
}

impl Program {
    /// `binary` with its files in `place`/`name`.
    pub fn new(name: &str, binary: &Path, place: &Path) -> Result<Self> {
        if !binary.exists() {
            return Err(format!("{} is not built", binary.display()));
        }
        let script = place.join(format!("start-{name}"));
        let started = place.join(format!("started-{name}"));
        // The driver starts the program: this says when, and under which number.
        let text = format!(
            "#!/bin/sh\necho \"$$ $(date +%s%N)\" > '{}'\nexec '{}' \"$@\"\n",
            started.display(),
            binary.display()
        );
        sh::write_script(&script, &text)?;
        Ok(Self { data: place.join(name), script, started, logs: place.join("logs") })
    }

    /// Starts it, and gives it once its window answers.
    pub fn start(&self, screen: &Screen) -> Result<Started> {
        let env = [("LANG", "C.UTF-8"), ("LANGUAGE", "en"), ("CARREL_LOG", "warn")];
        let window = Window::open(screen, &self.script, &self.data, &env, &self.logs)?;
        let line = sh::read(&self.started)?;
        let numbers = line
            .trim()
            .split_once(' ')
            .and_then(|(pid, at)| Some((pid.parse::<u32>().ok()?, at.parse::<f64>().ok()? / 1e6)));
        let (pid, asked_at) = numbers.ok_or_else(|| format!("no moment of start: {line}"))?;
        Ok(Started { window, pid, asked_at })
    }
}

impl Started {
    /// Waits until the list is drawn, and says when what was.
    pub fn moments(&self) -> Result<Moments> {
        let marked = format!("performance.getEntriesByName('{MARK}').length > 0");
        self.window.wait_true("the list to be drawn", &marked)?;
        let script = "return [performance.timeOrigin, performance.getEntriesByName(arguments[0])[0].startTime, \
            performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null]";
        let found = self.window.script(script, &[MARK.into()])?;
        let number = |n: usize| found[n].as_f64();
        let (Some(origin), Some(list)) = (number(0), number(1)) else {
            return Err(format!("the page gave no times: {found}"));
        };
        let navigation = origin - self.asked_at;
        Ok(Moments {
            navigation,
            content: number(2).map(|at| navigation + at),
            list: navigation + list,
        })
    }

    /// What it holds, once it has come to rest.
    pub fn memory(&self) -> Result<Memory> {
        thread::sleep(SETTLED);
        let mut all = 0.0;
        for pid in family(self.pid) {
            // A process may end while it is looked for.
            all += share(pid).unwrap_or_default();
        }
        Ok(Memory { own: share(self.pid)?, all })
    }
}

/// Proportional share of one process, MiB.
fn share(pid: u32) -> Result<f64> {
    let text = sh::read(&PathBuf::from(format!("/proc/{pid}/smaps_rollup")))?;
    pss(&text).ok_or_else(|| format!("process {pid} has no Pss"))
}

fn pss(rollup: &str) -> Option<f64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.split_whitespace().next()?.parse::<f64>().ok().map(|kib| kib / 1024.0)
}

/// A process and all below it.
fn family(pid: u32) -> Vec<u32> {
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
        let above = found[next];
        found.extend(parents.iter().filter(|(_, parent)| *parent == above).map(|(pid, _)| *pid));
        next += 1;
    }
    found
}

/// The name in brackets may hold anything, blanks and brackets too.
fn parent(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_tables_are_read() {
        assert_eq!(parent("17 (Web (Content) x) S 4 17 17 0"), Some(4));
        assert_eq!(pss("7f00 ---p [rollup]\nRss:  4096 kB\nPss:    2048 kB\n"), Some(2.0));
        assert!(family(std::process::id()).contains(&std::process::id()));
    }
}

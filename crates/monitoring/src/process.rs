//! CPU time, memory and open files of this process (Linux; nothing elsewhere).

use std::fs;

/// Clock ticks per second of `/proc/self/stat` (`USER_HZ`), which is 100 on all architectures that Linux supports.
const TICKS_PER_S: f64 = 100.0;
/// Shortest time of which a share is computed, in seconds: within a few ms, a single tick is a share of 100 %.
const MIN_ELAPSED_S: f64 = 10.0;

/// Resources that this process uses.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ProcessUse {
    /// CPU time since the start, of all threads, in seconds.
    pub cpu_s: f64,
    /// Resident memory in bytes.
    pub resident_bytes: u64,
    pub open_files: u64,
}

/// Reads the resources of this process; `None` on systems without `/proc`.
pub fn read_process() -> Option<ProcessUse> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let open_files = fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64);
    Some(ProcessUse {
        cpu_s: cpu_ticks(&stat)? / TICKS_PER_S,
        resident_bytes: resident_kib(&status)? * 1024,
        open_files,
    })
}

/// Returns user and system time. The name of the program, in brackets, may contain spaces.
fn cpu_ticks(stat: &str) -> Option<f64> {
    let after_name = stat.rsplit_once(") ")?.1;
    let mut fields = after_name.split(' ').skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn resident_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Returns the share of all cores that was used between two readings: 1.0 if every core was busy with this process;
/// `None` if the readings are less than 10 s apart, or no core is known.
pub fn cpu_share(
    before: ProcessUse,
    after: ProcessUse,
    elapsed_s: f64,
    cores: usize,
) -> Option<f64> {
    if elapsed_s < MIN_ELAPSED_S || cores == 0 {
        return None;
    }
    Some(((after.cpu_s - before.cpu_s) / elapsed_s / cores as f64).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_parsed() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 9 0 100 1 2";
        assert_eq!(cpu_ticks(stat), Some(300.0));
        assert_eq!(resident_kib("Name:\tx\nVmRSS:\t   1024 kB\n"), Some(1024));
        assert_eq!(cpu_ticks("7 (a) S 1"), None);
        assert_eq!(resident_kib("Name:\tx\n"), None);
        if cfg!(target_os = "linux") {
            let now = read_process().expect("/proc");
            assert!(now.resident_bytes > 0 && now.open_files > 0, "{now:?}");
        }
    }

    #[test]
    fn the_share_is_of_all_cores() {
        let at = |cpu_s| ProcessUse { cpu_s, ..ProcessUse::default() };
        assert_eq!(cpu_share(at(10.0), at(20.0), 10.0, 2), Some(0.5));
        assert_eq!(cpu_share(at(0.0), at(100.0), 10.0, 2), Some(1.0), "at most 1");
        assert_eq!(cpu_share(at(0.0), at(100.0), 0.0, 2), None, "no time has passed");
        assert_eq!(cpu_share(at(1.0), at(1.01), 0.005, 2), None, "one tick within 5 ms");
    }
}

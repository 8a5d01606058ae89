//! CPU time, memory and connections of the server's process (Linux).

use std::fs;

/// Resources of a process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    pub cpu_s: f64,
    pub resident_mib: f64,
    pub open_files: usize,
}

/// Reads the resources of a process; `None` if it does not exist, or on other systems.
pub fn usage(pid: u32) -> Option<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = stat.rsplit_once(") ")?.1;
    let ticks: Vec<f64> =
        after_name.split(' ').skip(11).take(2).filter_map(|n| n.parse().ok()).collect();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = resident.trim().trim_end_matches("kB").trim().parse().ok()?;
    let open_files = fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
    Some(Usage { cpu_s: ticks.iter().sum::<f64>() / 100.0, resident_mib: kib / 1024.0, open_files })
}

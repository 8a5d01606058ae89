//! Staged releases: a stable part of the devices gets a version first.

use semver::Version;

/// Number of parts into which the devices are divided.
const PARTS: u64 = 10_000;

/// Returns true if the device is among the first `percent` of the devices for this version. A device that is among the
/// first 10 % is also among the first 20 %; for another version the order of the devices is another one.
pub fn includes(device_id: &str, version: &Version, percent: u8) -> bool {
    part(device_id, version) < u64::from(percent.min(100)) * (PARTS / 100)
}

/// Returns the part of the device, from 0 to 9,999.
fn part(device_id: &str, version: &Version) -> u64 {
    let mut hasher = blake3::Hasher::new_derive_key("carrel 2026 update rollout");
    hasher.update(device_id.as_bytes()).update(b"\0").update(version.to_string().as_bytes());
    let mut bytes = [0; 8];
    hasher.finalize_xof().fill(&mut bytes);
    u64::from_le_bytes(bytes) % PARTS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(n: u32) -> String {
        format!("device-{n}")
    }
    fn included(version: &Version, percent: u8) -> Vec<u32> {
        (0..20_000).filter(|n| includes(&device(*n), version, percent)).collect()
    }

    #[test]
    fn the_share_of_devices_is_the_percentage() {
        let version = Version::new(1, 2, 0);
        for (percent, min, max) in [
            (0, 0, 0),
            (1, 140, 260),
            (10, 1_850, 2_150),
            (50, 9_700, 10_300),
            (99, 19_740, 19_860),
            (100, 20_000, 20_000),
            (255, 20_000, 20_000),
        ] {
            let count = included(&version, percent).len();
            assert!((min..=max).contains(&count), "{percent} %: {count}");
        }
    }

    #[test]
    fn a_larger_percentage_keeps_the_devices_of_a_smaller_one() {
        let version = Version::new(1, 2, 0);
        let wide = included(&version, 20);
        assert!(included(&version, 10).iter().all(|n| wide.contains(n)));
    }

    #[test]
    fn another_version_starts_with_other_devices() {
        let (a, b) = (included(&Version::new(1, 2, 0), 10), included(&Version::new(1, 2, 1), 10));
        let both = a.iter().filter(|n| b.contains(n)).count();
        // A tenth of a tenth of 20,000 devices.
        assert!((140..=260).contains(&both), "{both}");
    }

    #[test]
    fn the_part_of_a_device_never_changes() {
        // Written down, because devices of an older version compute it too.
        let version = Version::new(1, 2, 0);
        assert_eq!([0, 1, 2].map(|n| part(&device(n), &version)), [8_503, 5_281, 8_127]);
    }
}

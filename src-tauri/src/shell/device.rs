//! The display name of this device in the list of devices, until the learner changes it.
//!
//! Not here: where the name is stored.

use std::{env, fs};

/// Returns the computer's name, or a generic one.
pub fn name() -> String {
    let from_env = ["COMPUTERNAME", "HOSTNAME"].iter().find_map(|name| env::var(name).ok());
    let name = from_env.or_else(|| fs::read_to_string("/etc/hostname").ok()).unwrap_or_default();
    short_name(&name).unwrap_or_else(|| generic_name().to_owned())
}

/// Returns the first part of a host name; none if it is empty or `localhost`.
fn short_name(name: &str) -> Option<String> {
    let name = name.trim().split('.').next().unwrap_or_default();
    let is_useless = name.is_empty() || name.eq_ignore_ascii_case("localhost");
    (!is_useless).then(|| name.chars().take(60).collect())
}

fn generic_name() -> &'static str {
    match env::consts::OS {
        "android" => "Android device",
        "ios" => "iPhone or iPad",
        "macos" => "Mac",
        "windows" => "Windows computer",
        _ => "Computer",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_is_shortened_and_an_empty_one_is_replaced() {
        assert_eq!(short_name("lab-12.school.example\n").as_deref(), Some("lab-12"));
        assert_eq!(short_name("localhost.localdomain"), None);
        assert_eq!(short_name(" \n"), None);
        assert_eq!(short_name(&"a".repeat(300)).map(|name| name.len()), Some(60));
        assert!(!generic_name().is_empty());
    }
}

//! The display name of this device in the list of devices, until the learner changes it.
//!
//! Not here: where the name is stored.

use std::{env, fs};

/// Returns the computer's name, or a generic one.
pub fn name() -> String {
    let asked = ["COMPUTERNAME", "HOSTNAME"].iter().find_map(|name| env::var(name).ok());
    let name = asked.or_else(|| fs::read_to_string("/etc/hostname").ok()).unwrap_or_default();
    tidy(&name).unwrap_or_else(|| plain().to_owned())
}

/// Returns the first part of a host name; none if it is meaningless.
fn tidy(name: &str) -> Option<String> {
    let name = name.trim().split('.').next().unwrap_or_default();
    let says_nothing = name.is_empty() || name.eq_ignore_ascii_case("localhost");
    (!says_nothing).then(|| name.chars().take(60).collect())
}

fn plain() -> &'static str {
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
        assert_eq!(tidy("desk-12.school.example\n").as_deref(), Some("desk-12"));
        assert_eq!(tidy("localhost.localdomain"), None);
        assert_eq!(tidy(" \n"), None);
        assert_eq!(tidy(&"a".repeat(300)).map(|name| name.len()), Some(60));
        assert!(!plain().is_empty());
    }
}

//! Release notes: the section of a version in CHANGELOG.md.

/// Returns the section of the version, or `Unreleased` if there is none; without its heading.
pub fn notes_of(changelog: &str, version: &str) -> String {
    let section = |wanted: &str| {
        let mut lines = changelog.lines().skip_while(|line| !is_heading(line, wanted));
        lines.next()?;
        let text: Vec<&str> = lines.take_while(|line| !line.starts_with("## ")).collect();
        Some(text.join("\n").trim().to_owned()).filter(|text| !text.is_empty())
    };
    section(version).or_else(|| section("Unreleased")).unwrap_or_default()
}

/// Returns true for `## 1.2.0`, `## [1.2.0] - 2026-11-30` and the like.
fn is_heading(line: &str, wanted: &str) -> bool {
    let Some(text) = line.strip_prefix("## ") else { return false };
    let word = text.split_whitespace().next().unwrap_or_default();
    word.trim_matches(|c| matches!(c, '[' | ']' | 'v')) == wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_of_the_version_is_returned() {
        let text = "# Changelog\n\n## Unreleased\n\n- Next.\n\n## [1.2.0] - 2026-11-30\n### Added\n- New.\n\n## 1.1.0\n- Old.\n";
        assert_eq!(notes_of(text, "1.2.0"), "### Added\n- New.");
        assert_eq!(notes_of(text, "1.1.0"), "- Old.");
        assert_eq!(notes_of(text, "1.2"), "- Next.");
        assert_eq!(notes_of("", "1.2.0"), "");
    }
}

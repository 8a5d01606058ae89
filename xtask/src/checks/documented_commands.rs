//! Checks that the programs accept the commands in the documentation: each is run with `--help` at its end, so that
//! unknown subcommands and options are errors and nothing else happens.

use std::{fs, path::PathBuf, process::Command};

use crate::{
    HELP,
    sh::{self, Result},
};

/// Output of a program in a code span.
const OUTPUT: &str = "listening";

/// Requires the programs of the debug build.
pub fn check() -> Result {
    let (mut problems, mut count) = (Vec::new(), 0);
    for page in pages()? {
        let text = sh::read(&page)?;
        let name = page.strip_prefix(sh::root()).unwrap_or(&page).display().to_string();
        for program in ["carrel", "carrel-server"] {
            for (line, arguments) in commands_in(&text, program) {
                count += 1;
                if let Some(problem) = problem(program, &arguments)? {
                    problems.push(format!(
                        "{name}:{line}: {program} {}: {problem}",
                        arguments.join(" ")
                    ));
                }
            }
        }
        for (line, arguments) in commands_in(&text, "cargo xtask") {
            count += 1;
            let command = arguments.first().map_or("", String::as_str);
            if command != "help" && !HELP.contains(&format!("\n  {command} ")) {
                problems.push(format!("{name}:{line}: `cargo xtask {command}` does not exist"));
            }
        }
    }
    println!("  {count} commands in the documentation");
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

fn pages() -> Result<Vec<PathBuf>> {
    let root = sh::root();
    let docs = root.join("docs");
    let entries = fs::read_dir(&docs).map_err(|e| format!("{}: {e}", docs.display()))?;
    let mut pages: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .chain([root.join("README.md"), root.join("CONTRIBUTING.md")])
        .collect();
    pages.sort();
    Ok(pages)
}

/// Returns what the program says about these arguments, if it does not accept them.
fn problem(program: &str, arguments: &[String]) -> Result<Option<String>> {
    let path = sh::target().join("debug").join(program);
    let output = Command::new(&path)
        .args(arguments)
        .arg("--help")
        .output()
        .map_err(|e| format!("{}: {e}", path.display()))?;
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().next().unwrap_or_default();
    Ok((!output.status.success() && !is_placeholder(line)).then(|| line.to_owned()))
}

/// Returns true for the message that a value such as `ID`, which stands for another one, is not valid.
fn is_placeholder(message: &str) -> bool {
    let value =
        message.strip_prefix("error: invalid value '").and_then(|rest| rest.split('\'').next());
    value.is_some_and(|value| !value.is_empty() && value.chars().all(|c| c.is_ascii_uppercase()))
}

/// Returns the line and the words after the program's name of each command in blocks of shell commands and in code
/// spans. Words before the program (`sudo ...`) are skipped, lines that end in `\` are joined, comments removed.
fn commands_in(text: &str, program: &str) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    let mut block: Option<String> = None;
    let mut joined = String::new();
    for (index, line) in text.lines().enumerate() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            block = if block.is_some() { None } else { Some(language.to_owned()) };
            continue;
        }
        match block.as_deref() {
            Some("sh") => {
                let line = line.split(" # ").next().unwrap_or_default().trim_end();
                if let Some(start) = line.strip_suffix('\\') {
                    joined.push_str(start);
                    continue;
                }
                joined.push_str(line);
                let words = std::mem::take(&mut joined);
                // The user of a service has the name of its program.
                let start = words
                    .rfind(&format!("{program} "))
                    .filter(|at| *at == 0 || words[..*at].ends_with(' '));
                if let Some(start) = start.filter(|_| !words.starts_with('#')) {
                    found.push((index + 1, arguments(&words[start + program.len()..])));
                }
            }
            Some(_) => {}
            None => {
                for span in line.split('`').skip(1).step_by(2) {
                    let rest = span.strip_prefix(program).unwrap_or_default();
                    if rest.starts_with(' ') && !rest.trim_start().starts_with(OUTPUT) {
                        found.push((index + 1, arguments(rest)));
                    }
                }
            }
        }
    }
    found
}

/// Splits at spaces outside double quotes.
fn arguments(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for c in text.chars() {
        match c {
            '"' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(String::new()),
            _ => {
                if let Some(word) = words.last_mut() {
                    word.push(c);
                }
            }
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_in_capitals_are_placeholders() {
        assert!(is_placeholder(
            "error: invalid value 'ID' for '<ID>': an id is 1 to 64 characters"
        ));
        assert!(!is_placeholder("error: invalid value 'sudent' for '--role <ROLE>'"));
        assert!(!is_placeholder("error: unexpected argument '--frob' found"));
    }

    #[test]
    fn commands_are_found_in_blocks_and_spans() {
        let text = "Run `tool check PATH` or `other check`.\n\n```sh\nsudo runuser -u tool -- tool add \\\n  --name \"Noor A\"  # a \
                    name\n# tool ignored\n```\n\n```text\ntool output\n```\n";
        let words = |text: &str| text.split('|').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            commands_in(text, "tool"),
            [(1, words("check|PATH")), (5, words("add|--name|Noor A"))]
        );
    }
}

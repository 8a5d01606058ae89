//! Manual pages: the options are read from `--help` of the program, so that they are always those of the release; the
//! other sections are in packaging/.

use std::path::Path;

use crate::sh::{self, Result};

/// A program and the file with the other sections of its page.
pub struct Page {
    name: &'static str,
    summary: &'static str,
    sections: &'static str,
}

pub const APP: Page = Page {
    name: "carrel",
    summary: "study courses and stories, online or offline",
    sections: "packaging/linux/carrel.1.roff",
};
pub const SERVER: Page = Page {
    name: "carrel-server",
    summary: "courses, stories and sync for learners who are often offline",
    sections: "packaging/server/carrel-server.1.roff",
};

/// Returns the manual page of a program in roff.
pub fn page(page: &Page, program: &Path, version: &str) -> Result<String> {
    let help = |path: &[&str]| {
        let mut command = sh::program(program);
        // Wide, so that clap wraps no line.
        sh::output(command.args(path).arg("--help").env("COLUMNS", "10000"))
    };
    let name = page.name;
    let mut out = format!(
        ".TH {} 1 \"\" \"{}\" \"Carrel\"\n.SH NAME\n{} \\- {}\n",
        name.to_uppercase(),
        escaped(&format!("{name} {version}")),
        escaped(name),
        escaped(page.summary)
    );
    let main = Help::parse(&help(&[])?);
    out += &format!(".SH SYNOPSIS\n.B {}\n", escaped(&main.usage));
    out += &format!(".SH DESCRIPTION\n{}\n", escaped(&main.about));
    out += &main.options("SH");
    let commands: Vec<&str> = main.commands().collect();
    if !commands.is_empty() {
        out += ".SH COMMANDS\n";
    }
    for command in commands {
        let of = Help::parse(&help(&[command])?);
        out += &format!(".SS {}\n{}\n", escaped(&of.usage), escaped(&of.about));
        out += &of.options("");
        for inner in of.commands() {
            let of = Help::parse(&help(&[command, inner])?);
            out += &format!(".SS {}\n{}\n", escaped(&of.usage), escaped(&of.about));
            out += &of.options("");
        }
    }
    out += &sh::read(&sh::root().join(page.sections))?;
    Ok(out)
}

/// The parts of a help text of clap.
#[derive(Default)]
struct Help {
    about: String,
    usage: String,
    /// Heading, such as `Options`, and its entries: term and explanation.
    lists: Vec<(String, Vec<(String, String)>)>,
}

impl Help {
    fn parse(text: &str) -> Self {
        let mut out = Self::default();
        for line in text.lines() {
            if let Some(usage) = line.strip_prefix("Usage: ") {
                out.usage = usage.to_owned();
            } else if !out.usage.is_empty() && out.lists.is_empty() {
                // A second form of the usage.
                let form = line.trim();
                if !form.is_empty() && line.starts_with(' ') {
                    out.usage += &format!(" | {form}");
                } else if line.ends_with(':') {
                    out.lists.push((line.trim_end_matches(':').to_owned(), Vec::new()));
                }
            } else if !line.starts_with(' ') && line.ends_with(':') {
                out.lists.push((line.trim_end_matches(':').to_owned(), Vec::new()));
            } else if let Some((_, entries)) = out.lists.last_mut() {
                let text = line.trim();
                let indent = line.len() - line.trim_start().len();
                if text.is_empty() {
                    continue;
                }
                // A term has an indent of 2, or of 6 for an option without a short form.
                if indent == 2 || indent == 6 && text.starts_with('-') {
                    let (term, explanation) = text.split_once("  ").unwrap_or((text, ""));
                    entries.push((term.to_owned(), explanation.trim().to_owned()));
                } else if let Some((_, explanation)) = entries.last_mut() {
                    let space = if explanation.is_empty() { "" } else { " " };
                    *explanation += &format!("{space}{text}");
                }
            } else if !line.trim().is_empty() {
                let space = if out.about.is_empty() { "" } else { " " };
                out.about += &format!("{space}{}", line.trim());
            }
        }
        out
    }

    fn commands(&self) -> impl Iterator<Item = &str> {
        let lists = self.lists.iter().filter(|(heading, _)| heading == "Commands");
        lists
            .flat_map(|(_, entries)| entries)
            .map(|(name, _)| name.as_str())
            .filter(|n| *n != "help")
    }

    /// The lists of arguments and options, each with a heading if `heading` is a macro.
    fn options(&self, heading: &str) -> String {
        let mut out = String::new();
        for (title, entries) in self.lists.iter().filter(|(title, _)| title != "Commands") {
            if !heading.is_empty() {
                out += &format!(".{heading} {}\n", escaped(&title.to_uppercase()));
            }
            for (term, explanation) in entries {
                if heading.is_empty() && term.contains("--help") {
                    continue;
                }
                out += &format!(".TP\n.B {}\n{}\n", escaped(term), escaped(explanation));
            }
        }
        out
    }
}

/// Escapes a text for roff. A line must not begin with a dot or an apostrophe.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELP: &str = "Study offline\n\nUsage: carrel [OPTIONS] [FILE OR LINK]...\n       carrel <COMMAND>\n\n\
        Commands:\n  doctor  Check this computer\n  help    Print this message\n\n\
        Arguments:\n  [FILE OR LINK]...  Files to open\n\n\
        Options:\n      --add-from-file  Show the dialog\n  -h, --help           Print help\n";

    #[test]
    fn the_parts_of_a_help_text_are_found() {
        let help = Help::parse(HELP);
        assert_eq!(help.about, "Study offline");
        assert_eq!(help.usage, "carrel [OPTIONS] [FILE OR LINK]... | carrel <COMMAND>");
        assert_eq!(help.commands().collect::<Vec<_>>(), ["doctor"]);
        let options = help.options("SH");
        assert!(
            options.contains(".TP\n.B \\-\\-add\\-from\\-file\nShow the dialog\n"),
            "{options}"
        );
        assert!(
            options.contains(".SH ARGUMENTS\n.TP\n.B [FILE OR LINK]...\nFiles to open\n"),
            "{options}"
        );
        let long = "Options:\n      --data <DATA>\n          The folder\n\n  -V, --version\n          Print version\n";
        let options = Help::parse(long).options("");
        assert!(options.contains(".B \\-\\-data <DATA>\nThe folder\n"), "{options}");
    }

    #[test]
    fn text_is_not_read_as_a_macro() {
        assert_eq!(escaped(".SH a-b\\"), "\\&.SH a\\-b\\e");
    }
}

//! Mutants of imports: what a file of another program means, and what is refused.

use super::Mutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a question with one right answer accepts several choices",
        file: "crates/import/src/gift/answers.rs",
        good: "    let single = answers.contains('=');",
        bad: "    let single = !answers.contains('=');",
        tests: unit!("carrel-import", "weights_may_be_negative_and_have_decimals"),
    },
    Mutant {
        name: "a new Anki package is read from the database for old versions",
        file: "crates/import/src/anki/archive.rs",
        good: "[usize::from(form) - 1];",
        bad: "[usize::from(form) - usize::from(form)];",
        tests: &[
            "-p",
            "carrel-import",
            "--test",
            "anki",
            "-E",
            "test(all_forms_and_schemas_give_the_same_words)",
        ],
    },
    Mutant {
        name: "XML with its own entities is read",
        file: "crates/import/src/xml.rs",
        good: "if definition.contains(\"<!ENTITY\") {",
        bad: "if definition.contains(\"<!NOTHING\") {",
        tests: unit!("carrel-import", "hostile_and_damaged_xml_is_refused"),
    },
];

//! Mutants of fonts: which files texts need, and what a download and the UI do with them.

use super::Mutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "the language of a text does not decide the font of its Han characters",
        file: "crates/fonts/src/choice.rs",
        good: "    han_language(lang)\n        .and_then(of_lang)\n",
        bad: "    han_language(lang)\n        .and_then(of_lang)\n        .filter(|script| script.letters.len() > 9)\n",
        tests: unit!("carrel-fonts", "han_characters_need_the_font_of_the_language"),
    },
    Mutant {
        name: "a manifest lists all files of a font",
        file: "crates/fonts/src/manifest.rs",
        good: "    for file in pack.files.iter().filter(|file| letters.are_in(&file.parsed)) {",
        bad: "    for file in pack.files.iter().filter(|_| !letters.is_empty()) {",
        tests: &[
            "-p",
            "carrel-fonts",
            "--test",
            "packs",
            "-E",
            "test(a_manifest_lists_the_files_that_its_texts_need)",
        ],
    },
    Mutant {
        name: "a font with other forms of Han characters suits",
        file: "crates/model/src/content/fonts.rs",
        good: "han_language(text_lang).is_none_or(|lang| lang == self.lang)",
        bad: "han_language(text_lang).is_none_or(|lang| lang != \"\")",
        tests: unit!("carrel-model", "a_font_with_other_forms_of_han_characters_does_not_suit"),
    },
    Mutant {
        name: "a lesson downloads all fonts of its course",
        file: "crates/content/src/download/plan.rs",
        good: "            letters.is_none_or(|l| unicode_ranges(ranges).is_none_or(|ranges| l.are_in(&ranges)))",
        bad: "            letters.is_none_or(|_| unicode_ranges(ranges).is_none_or(|ranges| !ranges.is_empty()))",
        tests: &[
            "-p",
            "carrel-tests",
            "--test",
            "integration",
            "-E",
            "test(a_lesson_brings_only_the_font_files_of_its_texts)",
        ],
    },
    Mutant {
        name: "fonts of a text stay registered when another text is opened",
        file: "ui/src/state/contentFonts.svelte.ts",
        good: "    document.fonts.delete(face);",
        bad: "",
        tests: &["ui", "tests/contentFonts.test.ts"],
    },
];

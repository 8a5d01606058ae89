//! Mutants of words and dictionaries: which entry a tapped word has, and which packs are installed.

use super::Mutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a word with other accents is shown beside the word itself",
        file: "crates/dictionary/src/look_up.rs",
        good: "            hits.retain(|hit| !hit.has_other_accents);",
        bad: "            hits.retain(|hit| !hit.has_other_accents || hit.found == Found::Folded);",
        tests: &[
            "-p",
            "carrel-dictionary",
            "--test",
            "packs",
            "-E",
            "test(the_order_of_the_look_up_is_kept)",
        ],
    },
    Mutant {
        name: "an entry that only points to another word hides it",
        file: "crates/dictionary/src/build.rs",
        good: "        word = &pointers.get(word)?.first()?.1;",
        bad: "        word = &pointers.get(word).filter(|_| false)?.first()?.1;",
        tests: &[
            "-p",
            "carrel-dictionary",
            "--test",
            "packs",
            "-E",
            "test(entries_that_point_to_another_word_become_its_forms)",
        ],
    },
    Mutant {
        name: "a pack with a view is opened",
        file: "crates/dictionary/src/pack.rs",
        good: "        if expected.next().is_none_or(|(n, s)| name != *n || sql.as_deref() != Some(s)) {",
        bad: "        if expected.next().is_none_or(|(n, _)| name != *n || sql.is_none()) {",
        tests: &[
            "-p",
            "carrel-dictionary",
            "--test",
            "packs",
            "-E",
            "test(a_database_with_anything_else_is_no_pack)",
        ],
    },
    Mutant {
        name: "another signer replaces a pack",
        file: "crates/client/src/bundle/import_dictionary.rs",
        good: "        (Some(found), _) if found.key != *key => KeyTrust::Rejected(",
        bad: "        (Some(found), true) if found.key != *key => KeyTrust::Rejected(",
        tests: &[
            "-p",
            "carrel-tests",
            "--test",
            "integration",
            "-E",
            "test(a_pack_is_replaced_only_by_its_signer_and_survives_a_restart)",
        ],
    },
    Mutant {
        name: "a pack of an unknown signer is downloaded from the server",
        file: "crates/client/src/dictionary/offers.rs",
        good: "        || dictionaries.has_key(key)?;",
        bad: "        || dictionaries.has_key(key)? || true;",
        tests: &[
            "-p",
            "carrel-tests",
            "--test",
            "integration",
            "-E",
            "test(a_pack_of_another_signer_a_metered_network_and_the_budget_stop_a_download)",
        ],
    },
    Mutant {
        name: "the bytes of an unfinished pack are lost at a restart",
        file: "crates/content/src/storage/sweep.rs",
        good: "        if !wanted && !kept {",
        bad: "        if !wanted {",
        tests: &[
            "-p",
            "carrel-tests",
            "--test",
            "integration",
            "-E",
            "test(an_offered_pack_is_downloaded_over_a_broken_line_and_used_offline)",
        ],
    },
    Mutant {
        name: "what was before a reset of a card in Anki counts",
        file: "crates/import/src/anki/reviews.rs",
        good: "is_none_or(|reset| row.id > *reset))",
        bad: "is_none_or(|_| true))",
        tests: unit!("carrel-import", "one_card_of_a_word_counts_and_only_after_its_last_reset"),
    },
    Mutant {
        name: "a word that is too difficult is recommended",
        file: "crates/scheduling/src/recommend.rs",
        good: "word.level <= level + STEP && word.mastery < MASTERED",
        bad: "word.level <= level + STEP + STEP && word.mastery < MASTERED",
        tests: unit!("carrel-scheduling", "words_are_filtered_and_ordered"),
    },
];

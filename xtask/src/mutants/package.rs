//! Mutants of the package compiler.

use super::Mutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a zip bomb with forged sizes is unpacked",
        file: "crates/package/src/source/zip.rs",
        good: "if size > limits.ratio_min_bytes && size / limits.ratio > packed {",
        bad: "if size > limits.ratio_min_bytes && size / limits.ratio > packed && false {",
        tests: &["-p", "carrel-package"],
    },
    Mutant {
        name: "every style in an SVG is accepted",
        file: "crates/package/src/media/svg/cleaner.rs",
        good: "fn is_plain_css(value: &str) -> bool {",
        bad: "fn is_plain_css(value: &str) -> bool {\n    if value.len() < usize::MAX { return true; }",
        tests: &["-p", "carrel-package"],
    },
    Mutant {
        name: "a story of a course is indexed under the story's own id",
        file: "crates/model/src/search_text.rs",
        good: "                entries.push(story_entry(ItemId::within(&meta.id, &s.id), body));",
        bad: "                entries.push(story_entry(s.id.clone().into(), body));",
        tests: api!("a_hit_in_a_story_of_a_course_resolves_to_the_story"),
    },
    Mutant {
        name: "every tag is a word boundary in the search index",
        file: "crates/model/src/search_text.rs",
        good: "            if !name.is_some_and(|name| INLINE_TAGS.contains(&name)) {",
        bad: "            if !name.is_some_and(|name| INLINE_TAGS[..0].contains(&name)) {",
        tests: unit!("carrel-model", "blocks_are_converted_to_plain_text"),
    },
    // One or more for each fault in the table of docs/TESTING.md.
    Mutant {
        name: "nesting of a formula is not limited",
        file: "crates/package/src/text/maths.rs",
        good: "        if depth > MAX_GROUPS {",
        bad: "        if depth > MAX_GROUPS * 1_000 {",
        tests: unit!(
            "carrel-package",
            "unbounded_formulas_are_rejected_before_parsing"
        ),
    },
    Mutant {
        name: "commands in one row of a formula are not limited",
        file: "crates/package/src/text/maths.rs",
        good: "        if commands_in_row > MAX_COMMANDS {",
        bad: "        if commands_in_row > MAX_COMMANDS * 1_000 {",
        tests: unit!(
            "carrel-package",
            "unbounded_formulas_are_rejected_before_parsing"
        ),
    },
    Mutant {
        name: "a formula may define commands",
        file: "crates/package/src/text/maths.rs",
        good: "                if FORBIDDEN_COMMANDS.contains(&name) {",
        bad: "                if FORBIDDEN_COMMANDS.contains(&name) && name == \"gdef\" {",
        tests: unit!(
            "carrel-package",
            "unbounded_formulas_are_rejected_before_parsing"
        ),
    },
    Mutant {
        name: "nesting of a text is not limited",
        file: "crates/package/src/text/markdown/mod.rs",
        good: "        if depth > MAX_NESTING {",
        bad: "        if depth > MAX_NESTING * 1_000 {",
        tests: unit!("carrel-package", "too_complex_texts_are_reported"),
    },
    Mutant {
        name: "quote markers of a line are not limited",
        file: "crates/package/src/text/markdown/mod.rs",
        good: "        if markers > MAX_NESTING && !is_rule {",
        bad: "        if markers > MAX_NESTING * 1_000_000 && !is_rule {",
        tests: unit!(
            "carrel-package",
            "lines_with_many_containers_are_found_before_parsing"
        ),
    },
    Mutant {
        name: "nesting of HTML in a text is not limited",
        file: "crates/package/src/text/html.rs",
        good: "        if depth > MAX_DEPTH {",
        bad: "        if depth > MAX_DEPTH * 1_000 {",
        tests: unit!("carrel-package", "too_complex_texts_are_reported"),
    },
    Mutant {
        name: "elements of a text are not limited",
        file: "crates/package/src/text/html.rs",
        good: "        if elements > MAX_ELEMENTS {",
        bad: "        if elements > MAX_ELEMENTS * 1_000 {",
        tests: unit!("carrel-package", "too_complex_texts_are_reported"),
    },
    Mutant {
        name: "special characters of a paragraph are not limited",
        file: "crates/package/src/text/html.rs",
        good: "    if scanned > MAX_SCANNED_BYTES {",
        bad: "    if scanned == usize::MAX {",
        tests: unit!("carrel-package", "too_complex_texts_are_reported"),
    },
    Mutant {
        name: "references of a drawing are not limited",
        file: "crates/package/src/media/svg/complexity.rs",
        good: "    if total > MAX_RENDERED_ELEMENTS {",
        bad: "    if total == 0 {",
        tests: unit!("carrel-package", "drawings_with_excessive_references_are_rejected"),
    },
    Mutant {
        name: "a cyclic reference in a drawing is accepted",
        file: "crates/package/src/media/svg/complexity.rs",
        good: "            Some(None) => return Err((node, \"an element of the drawing refers to itself\".to_owned())),",
        bad: "            Some(None) => return Ok(1),",
        tests: unit!("carrel-package", "drawings_with_excessive_references_are_rejected"),
    },
    Mutant {
        name: "attributes of an element in a drawing are not limited",
        file: "crates/package/src/media/svg/complexity.rs",
        good: "            && piece.match_indices('=').filter(quoted).count() > MAX_ATTRIBUTES",
        bad: "            && piece.match_indices('=').filter(quoted).count() > MAX_ATTRIBUTES * 1_000",
        tests: unit!("carrel-package", "drawings_with_excessive_references_are_rejected"),
    },
    Mutant {
        name: "errors over the maximum are not counted",
        file: "crates/package/src/problem.rs",
        good: "        if severity == Severity::Error {\n            self.errors",
        bad: "        if severity == Severity::Error && self.list.borrow().len() < MAX_PROBLEMS {\n            self.errors",
        tests: unit!("carrel-package", "an_error_counts_however_many_warnings_came_before"),
    },
    Mutant {
        name: "a warning displaces an error",
        file: "crates/package/src/problem.rs",
        good: "            let Some(warning) = list.iter().rposition(|p| !p.is_error()) else { return };\n            list.remove(warning);",
        bad: "            return;",
        tests: unit!("carrel-package", "an_error_counts_however_many_warnings_came_before"),
    },
    Mutant {
        name: "footnotes lose their ids",
        file: "crates/package/src/text/html.rs",
        good: "                (\"a\" | \"li\", \"id\") => is_footnote(value),",
        bad: "                (\"a\" | \"li\", \"id\") => is_footnote(value) && false,",
        tests: unit!("carrel-package", "output_of_the_compiler_is_not_changed"),
    },
    Mutant {
        name: "task list items lose their check boxes",
        file: "crates/package/src/text/html.rs",
        good: "        .add_tag_attribute_values(\"input\", \"type\", &[\"checkbox\"])",
        bad: "        .add_tag_attribute_values(\"input\", \"type\", &[\"radio\"])",
        tests: unit!("carrel-package", "tables_tasks_footnotes_and_links"),
    },
    Mutant {
        name: "a drawing loads a resource through a function other than url()",
        file: "crates/package/src/media/svg/cleaner.rs",
        good: "    if script_tokens.iter().chain(&fetching_functions).any(|w| normalized.contains(w)) {",
        bad: "    if script_tokens.iter().chain(&fetching_functions[..0]).any(|w| normalized.contains(w)) {",
        tests: unit!("carrel-package", "hostile_parts_are_removed_and_reported_with_lines"),
    },
];

//! Faults of the package compiler.

use super::Fault;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "a zip bomb that lies about its sizes is unpacked",
        file: "crates/package/src/unzip.rs",
        good: "if size > limits.ratio_from && size / limits.ratio > packed {",
        bad: "if size > limits.ratio_from && size / limits.ratio > packed && false {",
        tests: &["-p", "carrel-package"],
    },
    Fault {
        name: "any style in an SVG is plain",
        file: "crates/package/src/svg.rs",
        good: "fn is_plain_css(value: &str) -> bool {",
        bad: "fn is_plain_css(value: &str) -> bool {\n    if value.len() < usize::MAX { return true; }",
        tests: &["-p", "carrel-package"],
    },
];

//! Tests that all packages under `assets/` (the demo library) compile without errors.

#![allow(clippy::print_stderr, reason = "prints the warnings of the demo library")]

use std::path::Path;

use carrel_package::{Compiler, Limits, NullSink, Options, find};

#[test]
fn the_demo_library_compiles() {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets");
    let mut compiler = Compiler::new(Options::default());
    let mut errors = Vec::new();
    let mut warning_count = 0;
    for folder in ["courses", "stories"] {
        let Ok(found) = find(&assets.join(folder), &Limits::default()) else { continue };
        let packages = found.packages;
        for package in packages {
            match compiler.compile(&package, &mut NullSink) {
                Ok(compiled) => {
                    warning_count += compiled.warnings.len();
                    for warning in compiled.warnings {
                        eprintln!("{}: {warning}", package.name());
                    }
                }
                Err(problems) => errors.extend(
                    problems
                        .into_iter()
                        .filter(|p| p.is_error())
                        .map(|p| format!("{}: {p}", package.name())),
                ),
            }
        }
    }
    eprintln!("{warning_count} warnings");
    assert!(errors.is_empty(), "{} errors:\n{}", errors.len(), errors.join("\n"));
}

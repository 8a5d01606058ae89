//! Tests that all packages under `assets/` (the demo library) compile without errors.

#![allow(clippy::print_stderr, reason = "warnings of the demo library should be seen")]

use std::path::Path;

use carrel_package::{Compiler, Limits, NullSink, Options, find};

#[test]
fn the_demo_library_compiles() {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets");
    let mut compiler = Compiler::new(Options::default());
    let mut bad = Vec::new();
    let mut warned = 0;
    for part in ["courses", "stories"] {
        let Ok(packages) = find(&assets.join(part), &Limits::default()) else { continue };
        for package in packages {
            match compiler.compile(&package, &mut NullSink) {
                Ok(compiled) => {
                    warned += compiled.warnings.len();
                    for warning in compiled.warnings {
                        eprintln!("{}: {warning}", package.name());
                    }
                }
                Err(problems) => bad.extend(
                    problems
                        .into_iter()
                        .filter(|p| p.is_error())
                        .map(|p| format!("{}: {p}", package.name())),
                ),
            }
        }
    }
    eprintln!("{warned} warnings");
    assert!(bad.is_empty(), "{} errors:\n{}", bad.len(), bad.join("\n"));
}

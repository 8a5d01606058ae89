//! Creates the app's build context from the capabilities and permissions in src-tauri/ and the configuration at the
//! root.

use std::{fs, path::Path};

/// Page of a program that was built before the UI. It states what to do, instead of a blank window.
const PLACEHOLDER: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Carrel</title>\
<body><main><h1>Carrel</h1><p>This program was built without its user interface. \
Run <code>cargo xtask run</code>, which builds both.</p></main></body></html>\n";

fn main() {
    let dist = Path::new("ui/dist");
    if !dist.join("index.html").exists() {
        fs::create_dir_all(dist).expect("ui/dist can be created");
        fs::write(dist.join("index.html"), PLACEHOLDER).expect("ui/dist can be written");
    }
    // The UI is compiled into the program, so a changed ui/dist requires a rebuild.
    println!("cargo:rerun-if-changed=ui/dist");
    println!("cargo:rerun-if-changed=src-tauri/capabilities");
    println!("cargo:rerun-if-changed=src-tauri/permissions");
    let manifest =
        tauri_build::AppManifest::new().permissions_path_pattern("src-tauri/permissions/**/*.toml");
    let attributes = tauri_build::Attributes::new()
        .capabilities_path_pattern("src-tauri/capabilities/**/*.json")
        .app_manifest(manifest);
    tauri_build::try_build(attributes).expect("tauri.conf.json, capabilities and icons are valid");
}

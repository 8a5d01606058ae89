//! Font packages as npm installs them from Fontsource. The files begin like WOFF2 files and contain their own name.

use std::{fs, io, path::Path};

use serde_json::{Map, Value, json};

/// Writes the package of a variable font to `node_modules/@fontsource-variable/<id>`. `subsets`: name and CSS ranges of
/// each subset.
pub fn write_font_package(
    node_modules: &Path,
    id: &str,
    family: &str,
    subsets: &[(&str, &str)],
) -> io::Result<()> {
    let folder = node_modules.join("@fontsource-variable").join(id);
    fs::create_dir_all(folder.join("files"))?;
    let metadata = json!({
        "id": id, "family": family, "subsets": ["latin"], "weights": [400, 700], "styles": ["normal"],
        "variable": { "wght": { "default": "400", "min": "100", "max": "900", "step": "1" } },
        "license": { "type": "OFL-1.1", "url": "https://openfontlicense.org", "attribution": "Test" },
    });
    fs::write(folder.join("metadata.json"), metadata.to_string())?;
    fs::write(folder.join("LICENSE"), format!("{family} is under the SIL Open Font License.\n"))?;
    let mut ranges = Map::new();
    for (subset, range) in subsets {
        ranges.insert((*subset).to_owned(), Value::from(*range));
        let name = format!("{id}-{}-wght-normal.woff2", subset.trim_matches(['[', ']']));
        fs::write(folder.join("files").join(&name), format!("wOF2 {name}"))?;
    }
    fs::write(folder.join("unicode.json"), Value::Object(ranges).to_string())
}

/// Writes packages for Devanagari (one file) and Japanese (three files, of which the last has rare characters), each
/// also with Latin letters.
pub fn write_font_packages(node_modules: &Path) -> io::Result<()> {
    let latin = ("latin", "U+0000-00FF,U+2000-206F");
    let devanagari = ("devanagari", "U+0900-097F,U+200C-200D,U+25CC");
    write_font_package(
        node_modules,
        "noto-sans-devanagari",
        "Noto Sans Devanagari",
        &[devanagari, latin],
    )?;
    write_font_package(
        node_modules,
        "noto-sans-jp",
        "Noto Sans JP",
        &[
            ("[0]", "U+20,U+3001-3002,U+3041-307f"),
            ("[1]", "U+5ddd,U+6cb3,U+2113"),
            ("[2]", "U+25ee8,U+9f98"),
            latin,
        ],
    )
}

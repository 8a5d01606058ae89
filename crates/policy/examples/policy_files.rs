//! Writes the files that are generated from the list of policy keys into the folder in the first argument, the root of
//! the repository.

use std::{error::Error, fs, path::PathBuf};

use carrel_policy::generate;

fn main() -> Result<(), Box<dyn Error>> {
    let root: PathBuf = std::env::args_os().nth(1).ok_or("usage: policy_files ROOT")?.into();
    for (path, text) in generate::files() {
        let path = root.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, text)?;
    }
    let page = root.join(generate::PAGE);
    let text = fs::read_to_string(&page)?;
    fs::write(page, generate::page(&text)?)?;
    Ok(())
}

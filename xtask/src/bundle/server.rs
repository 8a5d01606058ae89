//! The package of the server for Debian.

use std::path::{Path, PathBuf};

use super::{
    Options,
    deb::{self, Package},
    man,
    staging::{FILE, PROGRAM, Staging},
};
use crate::{
    checks::ui_size,
    sh::{self, Result},
};

const DIR: &str = "packaging/server";

/// Installed path and file in packaging/server.
const FILES: &[(&str, &str, u32)] = &[
    ("/usr/lib/carrel-server/backup", "backup", PROGRAM),
    ("/lib/systemd/system/carrel-server.service", "carrel-server.service", FILE),
    ("/lib/systemd/system/carrel-server-backup.service", "carrel-server-backup.service", FILE),
    ("/lib/systemd/system/carrel-server-backup.timer", "carrel-server-backup.timer", FILE),
    ("/etc/carrel-server/config.toml", "config.toml", FILE),
    ("/etc/default/carrel-server", "default", FILE),
    ("/usr/share/doc/carrel-server/examples/Caddyfile", "Caddyfile", FILE),
    ("/usr/share/doc/carrel-server/examples/nginx.conf", "nginx.conf", FILE),
    ("/usr/share/doc/carrel-server/examples/Containerfile", "Containerfile", FILE),
];

pub fn build(options: &Options, programs: &Path) -> Result<PathBuf> {
    let version = options.version()?;
    let staging = Staging::new(sh::target().join("bundle-work/server"))?;
    let program = programs.join("carrel-server");
    staging.copy(&program, "/usr/bin/carrel-server", PROGRAM)?;
    // The profile of releases strips symbols; programs of another folder may have them.
    sh::output(sh::program("strip").arg(staging.root.join("usr/bin/carrel-server")))?;
    for (to, name, mode) in FILES {
        staging.copy(Path::new(DIR).join(name), to, *mode)?;
    }
    let pages = sh::root().join(ui_size::STAFF_DIST);
    let files = ui_size::staff_files()?;
    for file in &files {
        let name = file.strip_prefix(&pages).unwrap_or(file);
        staging.copy(file, &format!("/usr/share/carrel-server/staff/{}", name.display()), FILE)?;
    }
    let doc = "/usr/share/doc/carrel-server";
    staging.copy("packaging/copyright", &format!("{doc}/copyright"), FILE)?;
    staging.write_gz(&format!("{doc}/changelog"), &sh::read(&sh::root().join("CHANGELOG.md"))?)?;
    staging.write_gz(
        &format!("{doc}/OPERATIONS.md"),
        &sh::read(&sh::root().join("docs/OPERATIONS.md"))?,
    )?;
    let page = man::page(&man::SERVER, &program, &version)?;
    staging.write_gz("/usr/share/man/man1/carrel-server.1", &page)?;
    let conffiles: Vec<&str> =
        FILES.iter().map(|(to, ..)| *to).filter(|to| to.starts_with("/etc/")).collect();
    let scripts = ["preinst", "postinst", "prerm", "postrm"];
    let scripts: Vec<(&str, String)> =
        scripts.iter().map(|name| (*name, format!("{DIR}/{name}"))).collect();
    let scripts: Vec<(&str, &str)> =
        scripts.iter().map(|(name, file)| (*name, file.as_str())).collect();
    let package = Package {
        name: "carrel-server",
        version: &version,
        section: "education",
        depends: "libc6 (>= 2.34), libgcc-s1, passwd, util-linux",
        description: &[
            "Carrel server: courses, stories and sync for learners",
            "Publishes courses and stories to the Carrel app and stores the work of learners, who are often offline.",
            "The service listens on 127.0.0.1:7300; put a TLS proxy in front of it, or change CARREL_LISTEN in \
             /etc/default/carrel-server.",
        ],
        conffiles: &conffiles,
        scripts: &scripts,
    };
    deb::build(&staging, &package, options)
}

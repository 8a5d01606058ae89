//! The server's package: installed, started by the command line of its unit as its own user, backed up, upgraded, removed,
//! purged.

use std::{net::TcpStream, path::Path, time::Duration};

use super::{NEXT, Packages, check, folder, passed, root::Root};
use crate::sh::{self, Background, Result};

const DATA: &str = "/var/lib/carrel-server";

pub fn test(packages: &Packages) -> Result {
    let (old, new) = packages.pair("carrel-server_", ".deb")?;
    let root = Root::new("server-root")?;
    root.install(&[old], "")?;
    check_files(&root)?;
    passed("server: installed with its user, folders and settings");

    let server = start(&root)?;
    root.run(&format!(
        "echo 'a long password' | runuser -u carrel-server -- carrel-server user add --login noor --name Noor \
         --password-stdin --data {DATA}"
    ))?;
    let owner = root.run(&format!("stat -c %U:%a {DATA}/server.db"))?;
    check(owner.trim() == "carrel-server:600", || format!("server.db has {owner}"))?;
    root.run(&as_service(&root, "carrel-server-backup.service")?)?;
    check(count(&root, "daily-")? == 1, || "the backup service made no backup".into())?;
    passed("server: started by its unit's command line as its own user; backed up while it runs");

    let output = root.install(&[new], "")?;
    check(output.contains("the backup before the upgrade is in"), || output.clone())?;
    check(count(&root, "before-upgrade-from-")? == 1, || "no backup before the upgrade".into())?;
    drop(server);
    let version = root.run("dpkg-query -W -f '${Version}' carrel-server")?;
    check(version == NEXT, || format!("version {version} after the upgrade"))?;
    let server = start(&root)?;
    let users =
        root.run(&format!("runuser -u carrel-server -- carrel-server user list --data {DATA}"))?;
    check(users.contains("noor"), || format!("accounts after the upgrade: {users}"))?;
    drop(server);
    passed("server: upgraded after a backup; the accounts are there");

    upgrade_without_backup(&root, old)?;
    passed("server: no upgrade if its backup fails");

    root.run("apt-get remove -y -qq carrel-server")?;
    let output = root.run("apt-get purge -y -qq carrel-server")?;
    check(output.contains("are kept in /var/lib/carrel-server"), || output.clone())?;
    root.run(&format!("test -e {DATA}/server.db && ! test -e /etc/carrel-server && ! test -e /usr/bin/carrel-server"))?;
    passed("server: removed and purged; the work is kept, and the package says so");

    root.install(&[old], "")?;
    start(&root)?;
    let output = root.run("CARREL_SERVER_PURGE_DATA=1 apt-get purge -y -qq carrel-server")?;
    check(output.contains("were deleted, because"), || output.clone())?;
    let left = root.left("carrel")?;
    check(left.is_empty(), || format!("left after the purge of the data: {left:?}"))?;
    root.run("! getent passwd carrel-server")?;
    passed("server: nothing is left after a purge that asks for it");
    Ok(())
}

fn check_files(root: &Root) -> Result {
    root.run(
        "test \"$(stat -c %U:%a /var/lib/carrel-server)\" = carrel-server:750
         test \"$(stat -c %U /var/backups/carrel-server)\" = carrel-server
         test -s /usr/share/man/man1/carrel-server.1.gz
         test -s /usr/share/doc/carrel-server/examples/nginx.conf
         test -s /usr/share/doc/carrel-server/copyright
         test -s /usr/share/carrel-server/staff/staff.html
         carrel-server --version",
    )?;
    let conffiles = root.run("dpkg-query -W -f '${Conffiles}' carrel-server")?;
    let is_listed = |path: &str| conffiles.contains(path);
    check(
        is_listed("/etc/carrel-server/config.toml") && is_listed("/etc/default/carrel-server"),
        || format!("conffiles: {conffiles}"),
    )
}

/// Returns a shell command that does what systemd does for the unit: its command line, user, files of variables, mask.
pub(super) fn as_service(root: &Root, unit: &str) -> Result<String> {
    let text = sh::read(&root.path.join("lib/systemd/system").join(unit))?;
    let values = |key: &str| {
        let start = format!("{key}=");
        text.lines().filter_map(move |line| line.strip_prefix(&start)).collect::<Vec<_>>()
    };
    let [command] = values("ExecStart")[..] else { return Err(format!("{unit} has no ExecStart")) };
    let [user] = values("User")[..] else { return Err(format!("{unit} has no User")) };
    let variables: String =
        values("Environment").iter().map(|line| format!("export {line}; ")).collect();
    let files: String = values("EnvironmentFile")
        .iter()
        .map(|file| format!("set -a; . {}; set +a; ", file.trim_start_matches('-')))
        .collect();
    let script = format!("{variables}{files}umask 0077; exec {command}");
    Ok(format!("runuser -u {user} -- sh -c '{script}'"))
}

/// Starts the server as its unit does, at a free port, and waits until it is healthy.
fn start(root: &Root) -> Result<Background> {
    let port = sh::free_port()?;
    let default = root.path.join("etc/default/carrel-server");
    let text = sh::read(&default)?;
    let line = format!("CARREL_LISTEN=127.0.0.1:{port}\n");
    let kept: String = text
        .lines()
        .filter(|old| !old.starts_with("CARREL_LISTEN="))
        .map(|old| format!("{old}\n"))
        .collect();
    sh::write_if_changed(&default, &(kept + &line))?;
    let command = root.command(&["sh", "-c", &as_service(root, "carrel-server.service")?]);
    let log = folder().join("server.log");
    let mut server = Background::start("carrel-server", &command, &log)?;
    server.wait_until(Duration::from_secs(30), || TcpStream::connect(("127.0.0.1", port)).ok())?;
    Ok(server)
}

fn count(root: &Root, start: &str) -> Result<usize> {
    let names = root.run("ls -1 /var/backups/carrel-server")?;
    Ok(names.lines().filter(|name| name.starts_with(start)).count())
}

/// An upgrade (here to an older version, which is allowed) while the folder of the backups cannot be written.
fn upgrade_without_backup(root: &Root, package: &Path) -> Result {
    root.run(
        "mv /var/backups/carrel-server /var/backups/aside && touch /var/backups/carrel-server",
    )?;
    let name = package.file_name().unwrap_or_default().to_string_lossy();
    let result = root.run(&format!("dpkg -i /tmp/{name}"));
    root.run("rm /var/backups/carrel-server && mv /var/backups/aside /var/backups/carrel-server")?;
    let Err(error) = result else { return Err("upgraded without a backup".into()) };
    check(error.contains("the backup before the upgrade failed"), || error.clone())?;
    let version = root.run("dpkg-query -W -f '${Version}' carrel-server")?;
    check(version == NEXT, || format!("version {version} after a refused upgrade"))?;
    root.run("carrel-server --version").map(drop)
}

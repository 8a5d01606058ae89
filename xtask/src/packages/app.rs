//! The app's package: installed, started on a virtual screen, used, upgraded, removed, purged.

use std::{path::Path, process::Command};

use serde_json::json;

use super::{NEXT, Packages, check, folder, passed, root::Root};
use crate::{
    sh::{self, Result},
    window::{driver::Window, screen::Screen},
};

const USER: &str = "learner";
const HOME: &str = "/srv/learner";
const WORK: &str = ".local/share/org.carrel.app";

pub fn test(packages: &Packages) -> Result {
    let (old, new) = packages.pair("carrel_", ".deb")?;
    let root = Root::new("app-root")?;
    root.install(&[old], "")?;
    check_desktop(&root)?;
    passed("app: installed with its dependencies; MIME type, links, icons, manual page");

    // Only for the test: a driver for the window, a session bus, and fonts.
    root.install(&[], "webkit2gtk-driver dbus-daemon fonts-dejavu-core")?;
    root.run(&format!("useradd --create-home --home-dir {HOME} {USER}"))?;
    let screen = Screen::start(1280, 800, &folder())?;
    let window = open(&root, &screen)?;
    window.call("open_demo", json!({}))?;
    window.script("location.reload()", &[])?;
    window.wait_for("a[href^='#/course/']")?;
    let course =
        window.script("return document.querySelector(\"a[href^='#/course/']\").hash", &[])?;
    window.navigate(course.as_str().unwrap_or_default())?;
    window.wait_for("main h1")?;
    screen.screenshot(&folder().join("app.png"))?;
    second_instance(&root, &screen, &window)?;
    drop(window);
    let work = format!("{HOME}/{WORK}");
    let before = root.run(&format!("find {work} -name user.db | sort"))?;
    check(!before.trim().is_empty(), || format!("no work in {work}"))?;
    passed(
        "app: started in the new root, opened a course of the demo library, and asked about a link",
    );

    root.install(&[new], "")?;
    let version = root.run("dpkg-query -W -f '${Version}' carrel")?;
    check(version == NEXT, || format!("version {version} after the upgrade"))?;
    let window = open(&root, &screen)?;
    window.wait_call("the account after the upgrade", "get_app_state", json!({}), |state| {
        !state["account"].is_null()
    })?;
    drop(window);
    passed("app: upgraded; the account is open again");

    root.run("apt-get remove -y -qq carrel")?;
    let output = root.run("apt-get purge -y -qq carrel")?;
    check(output.contains("the work of learners is kept"), || output.clone())?;
    let after = root.run(&format!("find {work} -name user.db | sort"))?;
    check(before == after, || format!("work before: {before}, after the purge: {after}"))?;
    let left: Vec<String> =
        root.left("carrel")?.into_iter().filter(|path| !path.starts_with(HOME)).collect();
    check(left.is_empty(), || format!("left after the purge: {left:?}"))?;
    root.run("! grep -rqs carrel /usr/share/applications /usr/share/mime/globs2 /usr/share/mime/packages")?;
    passed("app: removed and purged; only the learner's work is left, and the package says so");
    Ok(())
}

fn check_desktop(root: &Root) -> Result {
    root.run(
        "carrel --version
         carrel --help | grep -q add-from-file
         test -s /usr/share/man/man1/carrel.1.gz
         test -s /usr/share/icons/hicolor/scalable/apps/carrel.svg
         test -s /usr/share/icons/hicolor/48x48/apps/carrel.png
         test -s /usr/share/doc/carrel/copyright
         grep -q 'application/vnd.carrel.bundle:.*carrel' /usr/share/mime/globs2
         grep -q '^x-scheme-handler/carrel=Carrel.desktop' /usr/share/applications/mimeinfo.cache
         grep -q '^application/vnd.carrel.bundle=Carrel.desktop' /usr/share/applications/mimeinfo.cache",
    )?;
    let path = |name: &str| root.path.join("usr/share").join(name);
    let tool = |program: &str, args: &[&str], file: &Path| {
        sh::output(sh::program(program).args(args).arg(file))
    };
    tool("desktop-file-validate", &[], &path("applications/Carrel.desktop"))?;
    tool("appstreamcli", &["validate", "--no-net"], &path("metainfo/org.carrel.app.metainfo.xml"))?;
    Ok(())
}

/// Returns a command that runs `args` as the learner on `screen`.
fn as_learner(root: &Root, screen: &Screen, args: &[&str]) -> Command {
    let home = format!("HOME={HOME}");
    let mut all = vec!["runuser", "-u", USER, "--", "env", "-C", HOME, &home];
    all.extend(args);
    let mut command = root.command(&all);
    screen.configure(&mut command);
    command.env_remove("XDG_RUNTIME_DIR").env_remove("XDG_DATA_HOME").env_remove("XDG_CACHE_HOME");
    command
}

/// Opens the window. The driver starts the app in a session bus, whose address is written to a file.
fn open(root: &Root, screen: &Screen) -> Result<Window> {
    let script = "echo \"$DBUS_SESSION_BUS_ADDRESS\" > bus; exec WebKitWebDriver \"$@\"";
    let args = ["dbus-run-session", "--", "sh", "-c", script, "WebKitWebDriver"];
    let command = as_learner(root, screen, &args);
    Window::start(command, Path::new("/usr/bin/carrel"), &folder().join("window.log"))
}

/// Starts the app a second time with a link: the running window shows it, and nothing happens before the user confirms.
fn second_instance(root: &Root, screen: &Screen, window: &Window) -> Result {
    let link = "carrel://server?url=https://school.example";
    let script = format!("DBUS_SESSION_BUS_ADDRESS=\"$(cat bus)\" exec carrel '{link}'");
    sh::output(&mut as_learner(root, screen, &["sh", "-c", &script]))?;
    window.wait_true(
        "the question about the link",
        "document.querySelector('dialog[open]')?.textContent.includes('https://school.example')",
    )
}

//! The section "A school in an afternoon" of docs/OPERATIONS.md: its commands run one after the other in a new Debian,
//! after the installation without any network but loopback. systemd is replaced by a script that runs the command line
//! of the unit.

use std::{fs, time::Duration};

use super::{NEXT, Packages, check, folder, passed, root::Root, server};
use crate::sh::{self, Background, Result};

const HEADING: &str = "## A school in an afternoon\n";
const LEARNERS: usize = 500;
/// Part of the command line of the service: no other process of this computer has it.
const SERVE: &str = "carrel-server serve --data /var/lib/carrel-server --listen";
const TENANT: &str = "/var/lib/carrel-server/tenants/rivers";

/// Runs commands in the root with loopback as the only network.
struct Offline<'a> {
    root: &'a Root,
    /// Keeps the network namespace.
    holder: Background,
}

pub fn test(packages: &Packages) -> Result {
    let (old, new) = packages.pair("carrel-server_", ".deb")?;
    let root = Root::new("afternoon-root")?;
    let steps = blocks(&sh::read(&sh::root().join("docs/OPERATIONS.md"))?)?;
    let [install, tls, tenant, people, course, code, delete, backup, upgrade] = &steps[..] else {
        return Err(format!("the section has {} blocks of commands", steps.len()));
    };
    let name = |path: &std::path::Path| {
        format!("/tmp/{}", path.file_name().unwrap_or_default().to_string_lossy())
    };
    for package in [old, new] {
        let to = root.path.join(name(package).trim_start_matches('/'));
        fs::copy(package, &to).map_err(|e| format!("{}: {e}", to.display()))?;
    }
    let install = install.replace("./carrel-server_VERSION_amd64.deb", &name(old));
    root.run(
        &install.replace("apt-get install", "apt-get install -y -qq --no-install-recommends"),
    )?;
    // For this test, not for the server.
    root.install(&[], "curl iproute2 procps")?;
    passed("afternoon: installed; from here on without a network");

    write_files(&root)?;
    let offline = Offline::new(&root)?;
    offline.run("systemctl start carrel-server")?;
    offline.run(tls)?;
    let output = offline.run(tenant)?;
    let password =
        word_after(&output, "password").ok_or_else(|| format!("no password: {output}"))?;
    offline.run(
        "curl -sS --fail --cacert /etc/carrel-server/ca.pem https://rivers.school.lan:7300/health",
    )?;
    let head =
        offline.sign_in("/api/auth/login", "head", &format!("\"password\":\"{password}\""))?;
    passed(
        "afternoon: a tenant over HTTPS with a certificate of the school; its administrator signs in",
    );

    let output = offline.run(people)?;
    let listed = offline.get("/api/v1/admin/people?q=pupil7&limit=200", &head)?;
    check(listed.contains("pupil7"), || format!("{output}\n{listed}"))?;
    let users = offline.run(&as_service(&format!("user list --data {TENANT}")))?;
    let count = users.lines().filter(|line| line.contains("pupil")).count();
    check(count == LEARNERS, || format!("{count} learners: {output}"))?;
    passed("afternoon: 500 learners and 20 teachers in 20 classes from a CSV file");

    offline.run(course)?;
    let output = offline.run(code)?;
    let code = output
        .split_whitespace()
        .find(|word| word.len() == 14 && word.matches('-').count() == 2)
        .ok_or_else(|| format!("no code: {output}"))?;
    let fields = format!("\"code\":\"{code}\",\"newPassword\":\"a quiet river\"");
    let learner = offline.sign_in("/api/auth/code", "pupil7", &fields)?;
    offline.sign_in("/api/auth/login", "pupil7", "\"password\":\"a quiet river\"")?;
    let courses = offline.get("/api/courses", &learner)?;
    check(courses.contains("how-rivers-work"), || courses.clone())?;
    let nobody = offline.run(
        "curl -sS --cacert /etc/carrel-server/ca.pem https://rivers.school.lan:7300/api/courses",
    )?;
    check(!nobody.contains("how-rivers-work"), || nobody.clone())?;
    passed(
        "afternoon: a course for the classes; a learner signs in with a code, sets a password and sees it",
    );

    offline.run(delete)?;
    let found = offline.get("/api/v1/admin/people?q=pupil9&limit=200", &head)?;
    check(!found.contains("\"pupil9\""), || found.clone())?;
    passed("afternoon: an account deleted");

    let (make, restore) = backup.split_once('\n').ok_or("no commands after the backup")?;
    let made = offline.run(make)?;
    let made = made.lines().last().unwrap_or_default().trim().to_owned();
    offline.run(&as_service(&format!("user delete pupil8 --yes --data {TENANT}")))?;
    offline.run(&as_service(&format!("user role pupil10 instructor --data {TENANT}")))?;
    offline.run(&restore.replace("BACKUP", &made))?;
    let users = offline.run(&as_service(&format!("user list --data {TENANT}")))?;
    // The backup has the account that was deleted after it; the record of deletions has it, too.
    let role = |login: &str| {
        let mut words = users.lines().map(str::split_whitespace);
        words.find_map(|mut words| (words.next() == Some(login)).then(|| words.next())).flatten()
    };
    check(role("pupil10") == Some("student") && role("pupil8").is_none(), || users.clone())?;
    let again = offline.get("/api/courses", &learner)?;
    check(again.contains("how-rivers-work"), || again.clone())?;
    passed(
        "afternoon: backup and restore of server and tenant; the learner is still signed in, deleted accounts stay deleted",
    );

    let upgrade = upgrade.replace("./carrel-server_NEXT_amd64.deb", &name(new));
    let output = offline.run(&upgrade.replace("apt-get install", "apt-get install -y -qq"))?;
    let line = output.lines().find(|line| line.contains("the backup before the upgrade is in"));
    let before = line.and_then(|line| line.split_whitespace().last()).unwrap_or_default();
    offline
        .run(&format!("test -f {before}/tenants/rivers/backup.json"))
        .map_err(|e| format!("{e}\n{output}"))?;
    offline.run("systemctl restart carrel-server")?;
    let version = root.run("dpkg-query -W -f '${Version}' carrel-server")?;
    check(version == NEXT, || format!("version {version} after the upgrade"))?;
    let after = offline.get("/api/courses", &learner)?;
    check(after.contains("how-rivers-work"), || after.clone())?;
    passed("afternoon: upgraded after a backup with the tenant");
    offline.run("systemctl stop carrel-server")?;
    offline.holder.stop();
    Ok(())
}

/// Returns the blocks of shell commands of the section.
fn blocks(text: &str) -> Result<Vec<String>> {
    let section = text.split(HEADING).nth(1).ok_or("the section was not found")?;
    let section = section.split("\n## ").next().unwrap_or_default();
    Ok(section
        .split("```sh\n")
        .skip(1)
        .filter_map(|block| Some(block.split_once("```")?.0.to_owned()))
        .collect())
}

fn as_service(arguments: &str) -> String {
    format!("runuser -u carrel-server -- carrel-server {arguments}")
}

/// Returns the first word after `label` and a space or colon.
fn word_after<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    let rest = &text[text.find(label)? + label.len()..];
    rest.split_whitespace().find(|word| word.chars().any(char::is_alphanumeric))
}

/// Writes the school's files, a course, the name of the server, and a `systemctl` that runs the unit's command line.
fn write_files(root: &Root) -> Result {
    let mut pupils = String::from("login,name,role,class\n");
    for n in 0..LEARNERS {
        pupils += &format!("pupil{n},Pupil {n},student,Class {}\n", n % 20);
    }
    for n in 0..20 {
        pupils += &format!("teacher{n},Teacher {n},instructor,Class {n}\n");
    }
    sh::write_if_changed(&root.path.join("srv/pupils.csv"), &pupils)?;
    let classes: String = (0..20).map(|n| format!("Class {n},how-rivers-work\n")).collect();
    let classes = format!("class,courses\n{classes}");
    sh::write_if_changed(&root.path.join("srv/classes.csv"), &classes)?;
    let course = sh::root().join("assets/courses/how-rivers-work");
    sh::output(sh::program("cp").arg("-r").arg(course).arg(root.path.join("srv")))?;
    let hosts = "127.0.0.1 localhost rivers.school.lan\n";
    sh::write_if_changed(&root.path.join("etc/hosts"), hosts)?;
    let command = server::as_service(root, "carrel-server.service")?;
    let systemctl = format!(
        "#!/bin/sh\n\
         stop() {{ pkill -f '{SERVE}' || true; while pgrep -f '{SERVE}' > /dev/null; do sleep 0.1; done; }}\n\
         start() {{\n\
           ({command}) > /var/log/carrel-server.log 2>&1 &\n\
           for try in $(seq 300); do\n\
             if grep -q listening /var/log/carrel-server.log; then exit 0; fi\n\
             sleep 0.1\n\
           done\n\
           cat /var/log/carrel-server.log; exit 1\n\
         }}\n\
         case \"$1\" in\n\
           start) start ;;\n\
           stop) stop ;;\n\
           restart) stop; start ;;\n\
         esac\n"
    );
    sh::write_script(&root.path.join("usr/local/bin/systemctl"), &systemctl)
}

impl<'a> Offline<'a> {
    fn new(root: &'a Root) -> Result<Self> {
        let mut holder = sh::program("unshare");
        holder.args(["--net", "sleep", "infinity"]);
        let mut holder = Background::start("unshare", &holder, &folder().join("namespace.log"))?;
        let own = fs::read_link("/proc/self/ns/net").map_err(|e| e.to_string())?;
        let of_holder = format!("/proc/{}/ns/net", holder.id());
        let is_separate = || fs::read_link(&of_holder).is_ok_and(|it| it != own).then_some(());
        holder.wait_until(Duration::from_secs(10), is_separate)?;
        let offline = Self { root, holder };
        offline.run("ip link set lo up")?;
        let reached = offline.run("getent hosts deb.debian.org");
        check(reached.is_err(), || "the namespace has a network".into())?;
        Ok(offline)
    }

    /// Runs a shell script and returns its output; the error contains it, too.
    fn run(&self, script: &str) -> Result<String> {
        let inner = self.root.command(&["sh", "-e", "-c", &format!("{{ {script}\n}} 2>&1")]);
        let mut command = sh::program("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.holder.id()));
        command.arg("--").arg(inner.get_program()).args(inner.get_args());
        command.envs(inner.get_envs().filter_map(|(key, value)| Some((key, value?))));
        let output = command.output().map_err(|e| format!("nsenter: {e}"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(text);
        }
        Err(format!("`{script}`: {}\n{}", output.status, text.trim_end()))
    }

    /// Signs in and returns the access token.
    fn sign_in(&self, path: &str, login: &str, fields: &str) -> Result<String> {
        let body = format!(
            "{{\"login\":\"{login}\",{fields},\"deviceId\":\"0190a000-0000-7000-8000-000000000001\",\
             \"deviceName\":\"laptop\"}}"
        );
        let reply = self.run(&format!(
            "curl -sS --fail-with-body --cacert /etc/carrel-server/ca.pem -H 'Content-Type: application/json' \
             --data '{body}' https://rivers.school.lan:7300{path}"
        ))?;
        let json: serde_json::Value =
            serde_json::from_str(&reply).map_err(|e| format!("{e}: {reply}"))?;
        json["accessToken"].as_str().map(str::to_owned).ok_or_else(|| format!("no token: {reply}"))
    }

    fn get(&self, path: &str, token: &str) -> Result<String> {
        self.run(&format!(
            "curl -sS --fail-with-body --cacert /etc/carrel-server/ca.pem -H 'Authorization: Bearer {token}' \
             'https://rivers.school.lan:7300{path}'"
        ))
    }
}

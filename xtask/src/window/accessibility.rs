//! The accessibility tree of the real window, as a screen reader gets it: AT-SPI over D-Bus. Elements are found by role
//! and name alone and are operated by their action; the page is not asked.
//!
//! Uses `busctl` (Debian: systemd) and the bus of at-spi2-core. Roles are numbers of AT-SPI's `AtspiRole`.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{self, Command},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::screen::Screen;
use crate::{
    programs,
    sh::{self, Background, Result},
};

const LAUNCHERS: [&str; 2] =
    ["/usr/libexec/at-spi-bus-launcher", "/usr/lib/at-spi2-core/at-spi-bus-launcher"];
const ACCESSIBLE: &str = "org.a11y.atspi.Accessible";
/// Time limit of each wait for the window.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A role that the walk uses, with its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// A button that opens a menu, a sheet or the card of a word.
    PopupButton = 11,
    Dialog = 16,
    Button = 43,
    /// A button with two states.
    Toggle = 62,
    Paragraph = 73,
    Heading = 83,
    /// A text, also of a live region.
    Section = 85,
    Link = 88,
}

/// Roles that a learner operates, and headings: each must have a name.
const NAMED: [u64; 9] = [7, 11, 43, 44, 51, 62, 79, 83, 88];

/// An element of the tree.
#[derive(Debug, Clone)]
pub struct Node {
    path: String,
    /// Distance from the root.
    pub depth: usize,
    /// Number of the role.
    pub role: u64,
    /// Accessible name; empty if there is none.
    pub name: String,
}

/// The running app with its accessibility bus. All are stopped when this value is dropped.
pub struct AccessibleApp {
    app: Background,
    _launcher: Background,
    runtime: PathBuf,
    address: String,
    /// The name of the process of the page on the bus.
    page: String,
}

impl AccessibleApp {
    /// Starts the app on `screen` with accessibility, its files in `data` and the additional variables `env`.
    pub fn open(screen: &Screen, data: &Path, env: &[(&str, &str)], logs: &Path) -> Result<Self> {
        let launcher = LAUNCHERS.into_iter().find(|path| Path::new(path).exists());
        let launcher = launcher
            .ok_or("at-spi-bus-launcher was not found\nhint: apt-get install at-spi2-core")?;
        // The path of the bus must be shorter than 108 characters.
        let runtime = env::temp_dir().join(format!("carrel-at-spi-{}", process::id()));
        fs::create_dir_all(&runtime).map_err(|e| format!("{}: {e}", runtime.display()))?;
        let start = |name: &str, program: &Path, env: &[(&str, &str)]| {
            let mut command = Command::new(program);
            screen.configure(&mut command);
            command.env("XDG_RUNTIME_DIR", &runtime).env_remove("NO_AT_BRIDGE");
            command.envs(env.iter().copied());
            Background::start(name, &command, &logs.join(format!("{name}.log")))
        };
        let mut launcher = start("at-spi-bus-launcher", Path::new(launcher), &[])?;
        let address = launcher.wait_until(Duration::from_secs(20), || {
            let call = ["org.a11y.Bus", "/org/a11y/bus", "org.a11y.Bus", "GetAddress"];
            let reply = busctl(screen.bus(), &[&["call"], &call[..]].concat()).ok()?;
            reply[0].as_str().filter(|address| !address.is_empty()).map(str::to_owned)
        })?;
        let data = data.display().to_string();
        let env = [&[("CARREL_DATA_DIR", data.as_str())], env].concat();
        let mut app = start("carrel", &programs::app(), &env)?;
        let page =
            app.wait_until(Duration::from_secs(60), || process_of_page(&address).ok().flatten())?;
        Ok(Self { app, _launcher: launcher, runtime, address, page })
    }

    fn call(&self, args: &[&str]) -> Result<Value> {
        busctl(&self.address, &[&["call", "--"], args].concat())
    }

    fn cache(&self) -> Result<Vec<Value>> {
        let path = "/org/a11y/atspi/cache";
        let mut reply = self.call(&[&self.page, path, "org.a11y.atspi.Cache", "GetItems"])?;
        match reply[0].take() {
            Value::Array(items) => Ok(items),
            other => Err(format!("GetItems: {other}")),
        }
    }

    /// Returns all elements of the page, in the order in which they are read.
    pub fn tree(&self) -> Result<Vec<Node>> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        // The root's parent belongs to the process of the window.
        let items = self.cache()?;
        let root = items.iter().find(|item| item[2][0] != self.page.as_str());
        let root = root.ok_or("the page has no root in the accessibility tree")?;
        let mut found = Vec::new();
        let mut open = vec![(text(&root[0][1]), 0)];
        while let Some((path, depth)) = open.pop() {
            let children = self.call(&[&self.page, &path, ACCESSIBLE, "GetChildren"]);
            // An element may have been removed since its parent was read.
            let children = children.unwrap_or_default();
            let children = children[0].as_array().into_iter().flatten();
            open.extend(children.rev().map(|child| (text(&child[1]), depth + 1)));
            found.push((path, depth));
        }
        let facts: BTreeMap<String, (u64, String)> = self
            .cache()?
            .iter()
            .map(|item| (text(&item[0][1]), (item[7].as_u64().unwrap_or(0), text(&item[6]))))
            .collect();
        let nodes = found.into_iter().filter_map(|(path, depth)| {
            // The cache of WebKitGTK lacks elements that were added a moment ago.
            let (role, name) = facts.get(&path).cloned().or_else(|| self.role_and_name(&path))?;
            Some(Node { path, depth, role, name })
        });
        Ok(nodes.collect())
    }

    /// Asks an element for its role and name; `None` if it was removed.
    fn role_and_name(&self, path: &str) -> Option<(u64, String)> {
        let role = self.call(&[&self.page, path, ACCESSIBLE, "GetRole"]).ok()?;
        let get = ["org.freedesktop.DBus.Properties", "Get", "ss", ACCESSIBLE, "Name"];
        let name = self.call(&[&[&*self.page, path], &get[..]].concat()).ok()?;
        Some((role[0].as_u64()?, name[0]["data"].as_str()?.to_owned()))
    }

    /// Returns the text of an element; empty if it has none.
    pub fn text(&self, node: &Node) -> String {
        let args = [&*self.page, &*node.path, "org.a11y.atspi.Text", "GetText", "ii", "0", "-1"];
        let reply = self.call(&args).unwrap_or_default();
        reply[0].as_str().unwrap_or_default().trim().to_owned()
    }

    /// Waits for the first element of a role whose name begins with `name`.
    pub fn wait_for(&mut self, role: Role, name: &str) -> Result<Node> {
        self.wait_until(&format!("a {role:?} “{name}”"), |_, tree| {
            tree.iter().find(|n| n.role == role as u64 && n.name.starts_with(name)).cloned()
        })
    }

    /// Waits until an element of a role has a text that begins with `text`.
    pub fn wait_for_text(&mut self, role: Role, text: &str) -> Result {
        self.wait_until(&format!("a {role:?} with the text “{text}”"), |app, tree| {
            let mut of_role = tree.iter().filter(|n| n.role == role as u64);
            of_role.any(|node| app.text(node).starts_with(text)).then_some(())
        })
    }

    /// Waits for an element and runs its action, as a screen reader does.
    pub fn press(&mut self, role: Role, name: &str) -> Result {
        let node = self.wait_for(role, name)?;
        let args = [&*self.page, &*node.path, "org.a11y.atspi.Action", "DoAction", "i", "0"];
        let reply = self.call(&args)?;
        if reply[0] == true {
            return Ok(());
        }
        Err(format!("the action of {role:?} “{}” failed: {reply}", node.name))
    }

    fn wait_until<T>(
        &mut self,
        what: &str,
        mut ready: impl FnMut(&Self, &[Node]) -> Option<T>,
    ) -> Result<T> {
        let start = Instant::now();
        loop {
            let tree = self.tree();
            if let Ok(nodes) = &tree
                && let Some(found) = ready(self, nodes)
            {
                return Ok(found);
            }
            if start.elapsed() > TIMEOUT {
                let shown = tree.map_or_else(|e| e, |nodes| describe(&nodes));
                return Err(format!(
                    "waited {} s for {what}; the tree:\n{shown}",
                    TIMEOUT.as_secs()
                ));
            }
            // Fails if the app has ended.
            self.app.wait_until(Duration::from_secs(1), || Some(()))?;
            thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for AccessibleApp {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.runtime);
    }
}

/// Returns one line for each element: its role and its name.
pub fn describe(nodes: &[Node]) -> String {
    let line = |node: &Node| format!("{}{} “{}”\n", "  ".repeat(node.depth), node.role, node.name);
    nodes.iter().map(line).collect()
}

/// Returns the elements that have to have a name and have none.
pub fn without_name(nodes: &[Node]) -> Vec<&Node> {
    nodes.iter().filter(|n| NAMED.contains(&n.role) && n.name.trim().is_empty()).collect()
}

/// Returns the name of the process that runs the page on the bus; `None` before it is there and has a root.
fn process_of_page(address: &str) -> Result<Option<String>> {
    let names = ["org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus"];
    let list = busctl(address, &[&["call"], &names[..], &["ListNames"]].concat())?;
    let is_page = |name: &&str| name.starts_with("org.webkit.") && name.contains("WebProcess");
    let Some(name) =
        list[0].as_array().into_iter().flatten().filter_map(Value::as_str).find(is_page)
    else {
        return Ok(None);
    };
    // Objects name their process by its unique name.
    let owner = busctl(address, &[&["call"], &names[..], &["GetNameOwner", "s", name]].concat())?;
    Ok(owner[0].as_str().map(str::to_owned))
}

/// Runs `busctl` and returns the values of the reply.
fn busctl(address: &str, args: &[&str]) -> Result<Value> {
    let mut command = Command::new("busctl");
    command.arg(format!("--address={address}")).arg("--json=short").args(args);
    let reply = sh::output(&mut command)?;
    if reply.trim().is_empty() {
        return Ok(Value::Null);
    }
    let mut reply: Value =
        serde_json::from_str(&reply).map_err(|e| format!("busctl {}: {e}", args.join(" ")))?;
    Ok(reply["data"].take())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_and_headings_need_a_name() {
        let node = |role: u64, name: &str| Node {
            path: String::new(),
            depth: 1,
            role,
            name: name.to_owned(),
        };
        let nodes = [
            node(Role::Button as u64, " "),
            node(Role::Button as u64, "Next page"),
            node(Role::Heading as u64, ""),
            node(Role::Section as u64, ""),
        ];
        assert_eq!(without_name(&nodes).len(), 2);
        assert_eq!(describe(&nodes[1..2]), "  43 “Next page”\n");
    }
}

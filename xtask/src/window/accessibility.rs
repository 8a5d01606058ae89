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
const REGISTRY: &str = "org.a11y.atspi.Registry";
const ROOT: &str = "/org/a11y/atspi/accessible/root";
const CACHE: [&str; 3] = ["/org/a11y/atspi/cache", "org.a11y.atspi.Cache", "GetItems"];
/// Most elements of the window around the page.
const MAX_AROUND: usize = 200;
/// Each wait for the window ends this long after the last change of its tree, or at the limit.
const QUIET: Duration = Duration::from_secs(45);
const MAX_WAIT: Duration = Duration::from_secs(300);

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

/// Where an element is: the unique name of its process on the bus, and its path there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    process: String,
    path: String,
}

impl Place {
    /// Reads a reference of AT-SPI: process and path.
    fn of(value: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self { process: text(&value[0]), path: text(&value[1]) }
    }
}

/// An element of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    place: Place,
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
        let app = start("carrel", &programs::app(), &env)?;
        Ok(Self { app, _launcher: launcher, runtime, address })
    }

    fn call(&self, args: &[&str]) -> Result<Value> {
        busctl(&self.address, &[&["call", "--"], args].concat())
    }

    /// Returns the children of an element; none if it was removed.
    fn children(&self, of: &Place) -> Vec<Place> {
        let reply = self.call(&[&of.process, &of.path, ACCESSIBLE, "GetChildren"]);
        let reply = reply.unwrap_or_default();
        reply[0].as_array().into_iter().flatten().map(Place::of).collect()
    }

    /// Finds the root of the page from that of the desktop. Nothing of an earlier search is used: WebKit may load the
    /// page again in another process, which has another name on the bus.
    fn page(&self) -> Result<Place> {
        let desktop = Place { process: REGISTRY.to_owned(), path: ROOT.to_owned() };
        let mut open = self.children(&desktop);
        let apps = open.len();
        for _ in 0..MAX_AROUND {
            let Some(place) = open.pop() else { break };
            let children = self.children(&place);
            // The page is a child of its socket in the window, but is not in the list of the socket's children.
            if children.is_empty()
                && let Some(page) = self.first_child(&place)
                && page.process != place.process
            {
                return Ok(page);
            }
            open.extend(children);
        }
        Err(format!("no page in the {apps} programs of the desktop"))
    }

    /// Returns the first child of an element, also if it belongs to another process.
    fn first_child(&self, of: &Place) -> Option<Place> {
        let args = [&*of.process, &*of.path, ACCESSIBLE, "GetChildAtIndex", "i", "0"];
        let child = Place::of(&self.call(&args).ok()?[0]);
        let is_none = child.process.is_empty() || child.path.ends_with("/null");
        (!is_none).then_some(child)
    }

    /// Returns all elements of the page, in the order in which they are read.
    pub fn tree(&self) -> Result<Vec<Node>> {
        let root = self.page()?;
        let mut found = Vec::new();
        let mut open = vec![(root.clone(), 0)];
        while let Some((place, depth)) = open.pop() {
            // An element may have been removed since its parent was read; then it has no children.
            let children = self.children(&place);
            open.extend(children.into_iter().rev().map(|child| (child, depth + 1)));
            found.push((place, depth));
        }
        // One call returns the roles and names of the elements that were just asked for their children.
        let mut reply = self.call(&[&[&*root.process], &CACHE[..]].concat())?;
        let Value::Array(items) = reply[0].take() else { return Err("GetItems: no list".into()) };
        let name = |item: &Value| item[6].as_str().unwrap_or_default().to_owned();
        let mut facts: BTreeMap<Place, (u64, String)> = items
            .iter()
            .map(|item| (Place::of(&item[0]), (item[7].as_u64().unwrap_or(0), name(item))))
            .collect();
        let nodes = found.into_iter().filter_map(|(place, depth)| {
            // The cache of WebKitGTK lacks elements that were added a moment ago.
            let (role, name) = facts.remove(&place).or_else(|| self.role_and_name(&place))?;
            Some(Node { place, depth, role, name })
        });
        Ok(nodes.collect())
    }

    /// Asks an element for its role and name; `None` if it was removed.
    fn role_and_name(&self, of: &Place) -> Option<(u64, String)> {
        let role = self.call(&[&of.process, &of.path, ACCESSIBLE, "GetRole"]).ok()?;
        let get = ["org.freedesktop.DBus.Properties", "Get", "ss", ACCESSIBLE, "Name"];
        let name = self.call(&[&[&*of.process, &*of.path], &get[..]].concat()).ok()?;
        Some((role[0].as_u64()?, name[0]["data"].as_str()?.to_owned()))
    }

    /// Returns the text of an element; empty if it has none.
    pub fn text(&self, node: &Node) -> String {
        let Place { process, path } = &node.place;
        let args = [process, path, "org.a11y.atspi.Text", "GetText", "ii", "0", "-1"];
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
        let reply = self.wait_until(
            &format!("a {role:?} “{name}” that can be pressed"),
            |app, tree| {
                let node =
                    tree.iter().find(|n| n.role == role as u64 && n.name.starts_with(name))?;
                let Place { process, path } = &node.place;
                let args = [process, path, "org.a11y.atspi.Action", "DoAction", "i", "0"];
                match app.call(&args) {
                    // The element was replaced since the tree was read, so nothing was pressed: it is searched again.
                    Err(e) if GONE.iter().any(|gone| e.contains(gone)) => None,
                    reply => Some(reply),
                }
            },
        )??;
        match reply[0] == true {
            true => Ok(()),
            false => Err(format!("the action of {role:?} “{name}” failed: {reply}")),
        }
    }

    /// Waits until `ready` returns something. Ends if the tree stays the same for `QUIET`, or at `MAX_WAIT`.
    fn wait_until<T>(
        &mut self,
        what: &str,
        mut ready: impl FnMut(&Self, &[Node]) -> Option<T>,
    ) -> Result<T> {
        let (start, mut changed) = (Instant::now(), Instant::now());
        let mut last = None;
        loop {
            let asked = Instant::now();
            let tree = self.tree();
            if let Ok(nodes) = &tree
                && let Some(found) = ready(self, nodes)
            {
                return Ok(found);
            }
            if last.as_ref() != Some(&tree) {
                // The state is that at the end of the reading, which may take long.
                changed = Instant::now();
                last = Some(tree);
            }
            if asked.saturating_duration_since(changed) > QUIET || start.elapsed() > MAX_WAIT {
                let shown = match last {
                    Some(Ok(nodes)) => describe(&nodes),
                    Some(Err(e)) => e,
                    None => String::new(),
                };
                let waited = start.elapsed().as_secs();
                return Err(format!("waited {waited} s for {what}; the tree:\n{shown}"));
            }
            // Fails if the app has ended.
            self.app.wait_until(Duration::from_secs(1), || Some(()))?;
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// What the bus says of an element or process that is no longer there.
const GONE: [&str; 3] = ["does not exist", "UnknownObject", "was not provided by any"];

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
            place: Place { process: String::new(), path: String::new() },
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

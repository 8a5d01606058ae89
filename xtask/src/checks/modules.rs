//! Checks the structure of each crate: no import cycle between module folders, no duplicate type name, no crate over
//! the maximum size.
//!
//! Parses the sources with `syn`. A path (`crate::a::B`, `super::b`, an item of a `use`) is resolved through `use`
//! declarations to the module that defines the item. Modules under `#[cfg(test)]` are skipped.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens as _;
use serde_json::Value;
use syn::{Item, UseTree};

use super::{list, metadata, report, text};
use crate::sh::Result;

/// Maximum lines of source per crate, including tests in the same files.
const MAX_LINES: usize = 12_000;
/// Crates that may be larger until they are divided: `carrel-server` into the data folder (configuration, database,
/// backups, imports, publishing) and HTTP.
const LARGER: &[(&str, usize)] = &[("carrel-server", 13_300)];

/// Prints a line for each crate and returns an error if there are problems.
pub fn check() -> Result {
    let mut problems = Vec::new();
    println!("{:<18} {:>7} {:>8} {:>7}", "crate", "lines", "modules", "types");
    for package in list(&metadata()?, "packages") {
        let Some(root) = library_or_program(package) else { continue };
        let source = Crate::read(text(package, "name"), &root)?;
        println!(
            "{:<18} {:>7} {:>8} {:>7}",
            source.name,
            source.lines,
            source.modules.len(),
            source.modules.values().map(|module| module.types.len()).sum::<usize>()
        );
        problems.extend(source.problems());
    }
    report(&problems, "problems in the structure of the crates")
}

/// Returns the path of the crate's root file: that of the library, else of the first program.
fn library_or_program(package: &Value) -> Option<PathBuf> {
    let targets = list(package, "targets");
    let of_kind = |kind: &str| {
        targets.iter().find(|target| list(target, "kind").iter().any(|k| k.as_str() == Some(kind)))
    };
    let target = of_kind("lib").or_else(|| of_kind("rlib")).or_else(|| of_kind("bin"))?;
    Some(PathBuf::from(text(target, "src_path")))
}

/// Module names from the crate root; empty for the root itself.
type ModulePath = Vec<String>;

#[derive(Default)]
struct Module {
    /// Names that `use` declarations import, with the path of each.
    uses: BTreeMap<String, Vec<String>>,
    /// Modules imported with `*`.
    globs: Vec<Vec<String>>,
    /// Paths of two or more segments in the module's items.
    paths: BTreeSet<Vec<String>>,
    types: Vec<String>,
}

struct Crate {
    name: String,
    lines: usize,
    modules: BTreeMap<ModulePath, Module>,
}

impl Crate {
    fn read(name: &str, root: &Path) -> Result<Self> {
        let mut out = Self { name: name.to_owned(), lines: 0, modules: BTreeMap::new() };
        let children = root.parent().unwrap_or(root).to_owned();
        out.read_file(root, &children, Vec::new())?;
        Ok(out)
    }

    fn read_file(&mut self, file: &Path, children: &Path, path: ModulePath) -> Result {
        let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", file.display());
        let source = fs::read_to_string(file).map_err(|e| failed(&e))?;
        let parsed = syn::parse_file(&source).map_err(|e| failed(&e))?;
        self.lines += source.lines().count();
        self.read_items(parsed.items, children, path)
    }

    fn read_items(&mut self, items: Vec<Item>, children: &Path, path: ModulePath) -> Result {
        let mut module = Module::default();
        for item in items {
            if is_test_only(&item) {
                continue;
            }
            match item {
                Item::Mod(child) => {
                    let name = child.ident.to_string().trim_start_matches("r#").to_owned();
                    // A file included with `#[path]` belongs to the crate whose folder contains it.
                    if child.attrs.iter().any(|attribute| attribute.path().is_ident("path")) {
                        continue;
                    }
                    let (mut child_path, dir) = (path.clone(), children.join(&name));
                    child_path.push(name.clone());
                    match child.content {
                        Some((_, items)) => self.read_items(items, &dir, child_path)?,
                        None if dir.join("mod.rs").is_file() => {
                            self.read_file(&dir.join("mod.rs"), &dir, child_path)?;
                        }
                        None => {
                            self.read_file(&children.join(format!("{name}.rs")), &dir, child_path)?;
                        }
                    }
                }
                Item::Use(declaration) => module.read_use(&declaration.tree, &mut Vec::new()),
                other => {
                    module.types.extend(type_name(&other));
                    find_paths(other.into_token_stream(), &mut module.paths);
                }
            }
        }
        self.modules.insert(path, module);
        Ok(())
    }

    /// Returns the module that defines the item at `segments`, resolved from `from`; `None` for other crates.
    fn resolve(&self, from: &[String], segments: &[String], depth: usize) -> Option<ModulePath> {
        let mut at: ModulePath = from.to_vec();
        let mut rest = segments;
        let mut rooted = false;
        while let Some((first, tail)) = rest.split_first() {
            match first.as_str() {
                "crate" => at.clear(),
                "super" => drop(at.pop()?),
                "self" => {}
                _ => break,
            }
            (rest, rooted) = (tail, true);
        }
        for (index, segment) in rest.iter().enumerate() {
            let mut child_path = at.clone();
            child_path.push(segment.clone());
            if self.modules.contains_key(&child_path) {
                at = child_path;
                rooted = true;
                continue;
            }
            if let Some(target) = self.modules.get(&at).and_then(|module| module.uses.get(segment))
                && depth < 8
                && target.as_slice() != segments
            {
                let mut target = target.clone();
                target.extend_from_slice(&rest[index + 1..]);
                return self.resolve(&at, &target, depth + 1);
            }
            // An item of this module, or one that a glob import provides: `pub use inner::*`.
            let current = self.modules.get(&at);
            let globs = current.filter(|module| depth < 8 && !module.types.contains(segment));
            for glob in globs.map(|module| module.globs.as_slice()).unwrap_or_default() {
                let target = self.resolve(&at, glob, depth + 1);
                if let Some(path) = target.filter(|path| self.has(path, segment)) {
                    let found = self.resolve(&path, &rest[index..], depth + 1);
                    return found.or(Some(path));
                }
            }
            return rooted.then_some(at);
        }
        rooted.then_some(at)
    }

    /// Returns true if `module` has an item, an import or a module of this name.
    fn has(&self, module: &ModulePath, name: &str) -> bool {
        let mut child_path = module.clone();
        child_path.push(name.to_owned());
        let declares = |m: &Module| m.types.iter().any(|t| t == name) || m.uses.contains_key(name);
        self.modules.contains_key(&child_path) || self.modules.get(module).is_some_and(declares)
    }

    /// Returns every import between two modules as (importing, imported).
    fn imports(&self) -> BTreeSet<(ModulePath, ModulePath)> {
        let mut out = BTreeSet::new();
        for (from, module) in &self.modules {
            let paths = module.paths.iter().chain(module.uses.values()).chain(&module.globs);
            for target in paths.filter_map(|path| self.resolve(from, path, 0)) {
                if target != *from {
                    out.insert((from.clone(), target));
                }
            }
        }
        out
    }

    fn problems(&self) -> Vec<String> {
        let mut out = self.cycles();
        out.extend(self.duplicate_types());
        let larger = LARGER.iter().find(|(name, _)| *name == self.name);
        let max = larger.map_or(MAX_LINES, |(_, lines)| *lines);
        if self.lines > max {
            out.push(format!("{}: {} lines of source, maximum {max}", self.name, self.lines));
        }
        out
    }

    /// Returns cycles of imports among the modules of one parent, if at least one of them is a folder.
    fn cycles(&self) -> Vec<String> {
        let imports = self.imports();
        let mut out = Vec::new();
        for parent in self.modules.keys() {
            let depth = parent.len();
            let mut edges: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
            let mut witness = BTreeMap::new();
            for (from, to) in &imports {
                let inside = from.starts_with(parent) && to.starts_with(parent);
                if !inside || from.len() <= depth || to.len() <= depth || from[depth] == to[depth] {
                    continue;
                }
                edges.entry(&from[depth]).or_default().insert(&to[depth]);
                witness.entry((from[depth].as_str(), to[depth].as_str())).or_insert((from, to));
            }
            let is_folder = |name: &str| {
                self.modules.keys().any(|path| {
                    path.len() > depth + 1 && path.starts_with(parent) && path[depth] == name
                })
            };
            for group in cyclic_groups(&edges) {
                if !group.iter().any(|name| is_folder(name)) {
                    continue;
                }
                let mut path = vec![self.name.clone()];
                path.extend(parent.iter().cloned());
                let names: Vec<&str> = group.iter().copied().collect();
                out.push(format!("{}: import cycle of {}", path.join("::"), names.join(", ")));
                for ((a, b), (from, to)) in &witness {
                    if group.contains(a) && group.contains(b) {
                        out.push(format!("    {} -> {}", from.join("::"), to.join("::")));
                    }
                }
            }
        }
        out
    }

    fn duplicate_types(&self) -> Vec<String> {
        let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (path, module) in &self.modules {
            for name in &module.types {
                places.entry(name).or_default().push(path.join("::"));
            }
        }
        places.retain(|_, places| places.len() > 1);
        let line = |(name, places): (&str, Vec<String>)| {
            format!("{}: type name {name} is used in {}", self.name, places.join(", "))
        };
        places.into_iter().map(line).collect()
    }
}

impl Module {
    fn read_use(&mut self, tree: &UseTree, prefix: &mut Vec<String>) {
        match tree {
            UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.read_use(&path.tree, prefix);
                prefix.pop();
            }
            UseTree::Name(name) if name.ident == "self" => {
                if let Some(last) = prefix.last() {
                    self.uses.insert(last.clone(), prefix.clone());
                }
            }
            UseTree::Name(name) => self.add_use(name.ident.to_string(), &name.ident, prefix),
            UseTree::Rename(rename) => {
                let alias = rename.rename.to_string();
                // `as _` introduces no name, but the path counts as an import.
                let alias = if alias == "_" { format!("_{}", rename.ident) } else { alias };
                self.add_use(alias, &rename.ident, prefix);
            }
            UseTree::Glob(_) => self.globs.push(prefix.clone()),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.read_use(tree, prefix);
                }
            }
        }
    }

    fn add_use(&mut self, alias: String, ident: &syn::Ident, prefix: &[String]) {
        let mut path = prefix.to_vec();
        path.push(ident.to_string());
        self.uses.insert(alias, path);
    }
}

/// Returns true for items that exist only in test builds.
fn is_test_only(item: &Item) -> bool {
    let attributes = match item {
        Item::Mod(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        _ => return false,
    };
    attributes.iter().any(|attribute| {
        let text = attribute.meta.to_token_stream().to_string().replace(' ', "");
        text == "cfg(test)" || text == "test"
    })
}

fn type_name(item: &Item) -> Option<String> {
    match item {
        Item::Struct(item) => Some(item.ident.to_string()),
        Item::Enum(item) => Some(item.ident.to_string()),
        Item::Trait(item) => Some(item.ident.to_string()),
        Item::Type(item) => Some(item.ident.to_string()),
        Item::Union(item) => Some(item.ident.to_string()),
        _ => None,
    }
}

/// Collects the paths of two or more segments in an item, also inside macros.
fn find_paths(tokens: TokenStream, out: &mut BTreeSet<Vec<String>>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Group(group) => find_paths(group.stream(), out),
            TokenTree::Ident(ident) => {
                let mut path = vec![ident.to_string()];
                while let [TokenTree::Punct(a), TokenTree::Punct(b), TokenTree::Ident(next), ..] =
                    &tokens[at + 1..]
                    && a.as_char() == ':'
                    && b.as_char() == ':'
                {
                    path.push(next.to_string());
                    at += 3;
                }
                if path.len() > 1 {
                    out.insert(path);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// Returns the groups of names that reach each other through `edges`.
fn cyclic_groups<'a>(edges: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> Vec<BTreeSet<&'a str>> {
    let reach = |start: &'a str| {
        let mut seen: BTreeSet<&'a str> = BTreeSet::new();
        let mut pending = vec![start];
        while let Some(name) = pending.pop() {
            for next in edges.get(name).into_iter().flatten() {
                if seen.insert(next) {
                    pending.push(next);
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        edges.keys().map(|name| (*name, reach(name))).collect();
    let mut groups: Vec<BTreeSet<&str>> = Vec::new();
    for (name, others) in &reached {
        if !others.contains(name) || groups.iter().any(|group| group.contains(name)) {
            continue;
        }
        let back = |other: &&&str| reached.get(**other).is_some_and(|r| r.contains(name));
        groups.push(others.iter().filter(|other| back(other)).copied().collect());
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems_of(files: &[(&str, &str)]) -> Vec<String> {
        let dir = std::env::temp_dir().join(format!("modules-{}-{:p}", std::process::id(), files));
        for (name, text) in files {
            let file = dir.join(name);
            fs::create_dir_all(file.parent().expect("a folder")).expect("created");
            fs::write(file, text).expect("written");
        }
        let found = Crate::read("c", &dir.join("lib.rs")).expect("the crate is parsed").problems();
        fs::remove_dir_all(dir).expect("removed");
        found
    }

    #[test]
    fn a_layered_crate_passes() {
        let found = problems_of(&[
            ("lib.rs", "pub mod low; pub mod high; pub use low::Thing;"),
            ("low/mod.rs", "mod part; pub use part::Thing; pub fn f() {}"),
            ("low/part.rs", "use super::f; pub struct Thing;"),
            ("high/mod.rs", "use crate::Thing; pub struct Top(Thing);"),
        ]);
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn cycles_are_found_through_re_exports_macros_and_full_paths() {
        let cases = [
            "use crate::Top; pub struct Thing(Top);",
            "use crate::{a::x, high::{self as h, Top}}; pub struct Thing;",
            "pub struct Thing(crate::high::Top);",
            "pub struct Thing; pub fn f() { println!(\"{:?}\", crate::high::Top); }",
            "pub struct Thing; pub fn f() { super::high::g(); }",
            "use super::*; pub struct Thing(high::Top);",
        ];
        for low in cases {
            let found = problems_of(&[
                ("lib.rs", "pub mod a; pub mod low; pub mod high; pub use high::Top;"),
                ("a.rs", "pub fn x() {}"),
                ("low.rs", low),
                ("high/mod.rs", "mod part; use crate::low::Thing; pub struct Top; pub fn g() {}"),
                ("high/part.rs", ""),
            ]);
            assert_eq!(
                found.first().map(String::as_str),
                Some("c: import cycle of high, low"),
                "{low}"
            );
        }
    }

    #[test]
    fn cycles_between_nested_folders_are_reported_and_those_of_tests_are_not() {
        let found = problems_of(&[
            ("lib.rs", "mod a;"),
            ("a/mod.rs", "mod b; mod d;"),
            ("a/b/mod.rs", "mod c; #[cfg(test)] mod tests { use crate::a::d; }"),
            ("a/b/c.rs", "use crate::a::d::X; pub struct Y;"),
            ("a/d.rs", "pub struct X;"),
        ]);
        assert_eq!(found, [""; 0]);
        let found = problems_of(&[
            ("lib.rs", "mod a;"),
            ("a/mod.rs", "mod b; mod d;"),
            ("a/b/mod.rs", "pub mod c;"),
            ("a/b/c.rs", "use crate::a::d::X; pub struct Y;"),
            ("a/d.rs", "use super::b::c::Y; pub struct X;"),
        ]);
        assert_eq!(found[0], "c::a: import cycle of b, d");
    }

    #[test]
    fn a_duplicate_type_name_is_reported() {
        let found = problems_of(&[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "struct Inner; #[cfg(test)] mod tests { struct Fake; }"),
            ("b.rs", "enum Inner {} #[cfg(test)] mod tests { struct Fake; }"),
        ]);
        assert_eq!(found, ["c: type name Inner is used in a, b"]);
    }

    #[test]
    fn a_crate_over_the_maximum_size_is_reported() {
        let long = "fn f() {}\n".repeat(MAX_LINES + 1);
        assert_eq!(problems_of(&[("lib.rs", &long)]), ["c: 12001 lines of source, maximum 12000"]);
    }
}

//! The files generated from the list of keys: they are current, well-formed, and agree with the readers.

use std::{collections::BTreeSet, fs, path::PathBuf};

use carrel_policy::{KEYS, Kind, Source, SourceStatus, generate, load_from};
use quick_xml::{Reader, events::Event};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn file(end: &str) -> String {
    let files = generate::files();
    let found = files.into_iter().find(|(path, _)| path.ends_with(end));
    found.unwrap_or_else(|| panic!("no generated file {end}")).1
}

/// Returns the elements of an XML file: name and attributes.
fn elements(text: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    let mut out = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Start(e) | Event::Empty(e) => {
                let attributes = e.attributes().map(|a| {
                    let a = a.unwrap();
                    (a.key.as_ref().to_owned(), a.value.to_string())
                });
                let attributes = attributes.collect();
                out.push((e.name().as_ref().to_owned(), attributes));
            }
            Event::Eof => return out,
            _ => {}
        }
    }
}

fn attribute<'a>(attributes: &'a [(String, String)], name: &str) -> Option<&'a str> {
    attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// With `CARREL_WRITE=1`, writes the files, as `cargo xtask gen` does.
#[test]
fn the_generated_files_are_current() {
    let page = root().join(generate::PAGE);
    let page_text = fs::read_to_string(&page).unwrap();
    let mut files: Vec<(PathBuf, String)> =
        generate::files().into_iter().map(|(path, text)| (root().join(path), text)).collect();
    files.push((page, generate::page(&page_text).unwrap()));
    for (path, text) in files {
        if std::env::var_os("CARREL_WRITE").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &text).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap_or_default().replace('\r', "");
        assert!(found == text, "{}: CARREL_WRITE=1 updates it", path.display());
    }
}

#[test]
fn the_group_policy_templates_refer_to_texts_that_exist() {
    let (admx, adml) = (elements(&file(".admx")), elements(&file(".adml")));
    let policies: Vec<&str> = admx
        .iter()
        .filter(|(name, _)| name == "policy")
        .filter_map(|(_, attributes)| attribute(attributes, "name"))
        .collect();
    let names: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
    assert_eq!(policies, names);
    let ids = |element: &str, id: &str| -> BTreeSet<String> {
        let found = adml.iter().filter(|(name, _)| name == element);
        found.filter_map(|(_, a)| attribute(a, id).map(str::to_owned)).collect()
    };
    let (strings, presentations) = (ids("string", "id"), ids("presentation", "id"));
    let mut used = BTreeSet::new();
    for value in admx.iter().flat_map(|(_, attributes)| attributes.iter().map(|(_, value)| value)) {
        if let Some(id) = value.strip_prefix("$(string.").and_then(|id| id.strip_suffix(')')) {
            assert!(strings.contains(id), "{id}");
            used.insert(id.to_owned());
        }
        if let Some(id) = value.strip_prefix("$(presentation.").and_then(|id| id.strip_suffix(')'))
        {
            assert!(presentations.contains(id), "{id}");
        }
    }
    assert_eq!(used, strings, "every text is used");
    let fields: BTreeSet<&str> = admx.iter().filter_map(|(_, a)| attribute(a, "id")).collect();
    let shown = adml.iter().filter_map(|(_, a)| attribute(a, "refId"));
    assert_eq!(shown.collect::<BTreeSet<_>>(), fields);
}

#[test]
fn the_android_restrictions_refer_to_texts_that_exist() {
    let strings = elements(&file("policy_strings.xml"));
    let names: BTreeSet<&str> = strings.iter().filter_map(|(_, a)| attribute(a, "name")).collect();
    let restrictions = elements(&file("app_restrictions.xml"));
    let keys: Vec<&str> =
        restrictions.iter().filter_map(|(_, a)| attribute(a, "android:key")).collect();
    assert_eq!(keys, KEYS.iter().map(|key| key.name).collect::<Vec<_>>());
    for value in restrictions.iter().flat_map(|(_, a)| a.iter().map(|(_, value)| value)) {
        if let Some((_, name)) = value.strip_prefix('@').and_then(|value| value.split_once('/')) {
            assert!(names.contains(name), "{name}");
        }
    }
}

#[test]
fn the_schema_names_all_keys_and_no_others() {
    let schema: serde_json::Value = serde_json::from_str(&file(".schema.json")).unwrap();
    let properties = schema["properties"].as_object().unwrap();
    let names: BTreeSet<&str> =
        properties.keys().map(String::as_str).filter(|n| *n != "$schema").collect();
    assert_eq!(names, KEYS.iter().map(|key| key.name).collect());
}

/// Loads a policy file with this text.
fn load(text: &str) -> carrel_policy::Loaded {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("policies.json");
    fs::write(&path, text).unwrap();
    load_from(&[Source::File { path, of_machine: false }])
}

#[test]
fn the_sample_files_are_in_force_without_a_problem() {
    let sample = file("policies.sample.json");
    let loaded = load(&sample);
    assert_eq!(loaded.report.problems, []);
    let in_file: serde_json::Value = serde_json::from_str(&sample).unwrap();
    assert_eq!(loaded.report.entries.len(), in_file.as_object().unwrap().len());
    assert_eq!(loaded.report.sources[0].status, SourceStatus::Read);

    let profile = plist::Value::from_reader_xml(file(".mobileconfig").as_bytes()).unwrap();
    let payload = &profile.as_dictionary().unwrap()["PayloadContent"].as_array().unwrap()[0];
    let payload = payload.as_dictionary().unwrap();
    for entry in &loaded.report.entries {
        assert!(payload.contains_key(entry.key), "{}", entry.key);
    }
}

#[test]
fn the_example_and_the_default_of_each_key_are_accepted() {
    for key in KEYS {
        // Paths are those of Linux.
        if cfg!(windows) && matches!(key.kind, Kind::Path) {
            continue;
        }
        for value in [key.example, key.default].into_iter().filter(|value| !value.is_empty()) {
            let loaded = load(&format!("{{\"{}\": {value}}}", key.name));
            let bad = loaded.report.problems.iter().filter(|problem| {
                use carrel_policy::ProblemCode::{Conflict, NoEffect};
                !matches!(problem.code, Conflict | NoEffect)
            });
            assert_eq!(bad.count(), 0, "{}: {value}: {:?}", key.name, loaded.report.problems);
        }
    }
}

#[test]
fn the_default_of_each_key_changes_nothing() {
    for key in KEYS.iter().filter(|key| !key.default.is_empty() && key.name != "SignInMethods") {
        let loaded = load(&format!("{{\"{}\": {}}}", key.name, key.default));
        assert!(loaded.policies == carrel_policy::Policies::default(), "{}", key.name);
    }
}

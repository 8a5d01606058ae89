//! Laws of rosters: an exported list changes nothing, an import twice changes nothing the second time, the reverse of
//! an import restores the state before, and no input panics.

mod common;

use std::io::Cursor;

use carrel_model::{UserId, wire::Role};
use carrel_roster::{
    Action, ApplyError, Approval, Class, ClassState, Options, Person, State, export_classes,
    export_people, import,
};
use common::{Found, School, class_id, differences, run};
use proptest::{collection::vec, option, prelude::*};

/// Names and ids with everything that CSV, lists and spreadsheets treat specially.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-zA-Z0-9 ]{1,6}",
        "[=+@#'\"\\\\,;|-]{1,3}",
        Just("é".to_owned()),
        Just("نور".to_owned()),
        Just("＝".to_owned()),
        Just("1.5E+10".to_owned()),
        Just("1001.0".to_owned()),
        Just("05-Jan".to_owned()),
        Just("\u{fffd}".to_owned()),
    ];
    vec(piece, 1..4).prop_map(|pieces| pieces.concat())
}

fn name() -> impl Strategy<Value = String> {
    text().prop_filter_map("a name", |text| carrel_precis::new_name(&text).ok())
}

fn login() -> impl Strategy<Value = String> {
    text().prop_filter_map("a login", |text| carrel_precis::new_login(&text).ok())
}

fn source_id() -> impl Strategy<Value = Option<String>> {
    option::of(text().prop_map(|id| id.trim().to_owned()).prop_filter("an id", |id| !id.is_empty()))
}

prop_compose! {
    fn person()(
        source_id in source_id(),
        login in login(),
        name in name(),
        given in option::of(name()),
        family in option::of(name()),
        role in prop_oneof![Just(Role::Student), Just(Role::Instructor), Just(Role::Administrator)],
        state in prop_oneof![Just(State::Active), Just(State::Suspended), Just(State::Left)],
        is_disabled in any::<bool>(),
        lang in option::of(prop_oneof![Just("fr".to_owned()), Just("zh-Hant".to_owned())]),
        email in option::of(prop_oneof![Just("bo@x.example".to_owned()), Just("O'Neill+b@y.z-1.example".to_owned())]),
    ) -> Person {
        Person { id: UserId::from_u128(0), source_id, login, name, given, family, role, state, is_disabled, lang, email }
    }
}

prop_compose! {
    fn school()(
        people in vec(person(), 0..12),
        classes in vec((source_id(), name(), any::<bool>()), 0..6),
        members in vec((0..12_u128, 0..6_u128, any::<bool>()), 0..20),
    ) -> School {
        let mut school = School::empty("river");
        school.courses.insert("rivers".to_owned());
        for (n, mut person) in people.into_iter().enumerate() {
            person.id = UserId::from_u128(n as u128);
            let is_taken = |other: &&Person| {
                let key = |login: &str| carrel_precis::skeleton(&carrel_precis::username(login).unwrap());
                let has_same_id = other.source_id.is_some() && other.source_id == person.source_id;
                key(&other.login) == key(&person.login) || has_same_id
            };
            if !school.people.values().any(|other| is_taken(&other)) {
                school.people.insert(person.id, person);
            }
        }
        for (n, (source_id, name, is_archived)) in classes.into_iter().enumerate() {
            let is_taken = |other: &&Class| other.source_id.is_some() && other.source_id == source_id;
            let is_taken = school.classes.values().any(|other| is_taken(&other));
            let state = if is_archived { ClassState::Archived } else { ClassState::Active };
            let class = Class { id: class_id(1000 + n as u128), source_id, name, courses: Vec::new(), state };
            if !is_taken {
                school.classes.insert(class.id, class);
            }
        }
        for (person, class, is_instructor) in members {
            let (person, class) = (UserId::from_u128(person), class_id(1000 + class));
            if school.people.contains_key(&person) && school.classes.contains_key(&class) {
                school.members.insert((person, class, is_instructor));
            }
        }
        school
    }
}

fn exported(school: &School) -> (Vec<u8>, Vec<u8>) {
    let (mut people, mut classes) = (Vec::new(), Vec::new());
    export_people(school, &mut people).unwrap();
    export_classes(school, &mut classes).unwrap();
    (people, classes)
}

/// Returns the values of all cells of an exported file.
fn cells(text: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut is_quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => {
                cells.last_mut().unwrap().extend(chars.next())
            }
            '"' => is_quoted = !is_quoted,
            ',' | '\n' if !is_quoted => cells.push(String::new()),
            '\r' if !is_quoted => {}
            c => cells.last_mut().unwrap().push(c),
        }
    }
    cells
}

fn approval() -> Approval {
    let all = Some(u64::MAX);
    Approval { people: all, memberships: all, classes: all, replacements: all }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn an_import_twice_changes_nothing_and_its_reverse_restores(
        before in school(),
        after in school(),
        full in any::<bool>(),
        has_ids in any::<bool>(),
    ) {
        let mut after = after;
        // The list of another program: it has no ids of Carrel.
        after.tenant = String::new();
        let (people, _) = exported(&after);
        let text = String::from_utf8(people).unwrap();
        let mut text = text.replace("carrel id", "x").replace("carrel tenant", "y");
        if !has_ids {
            text = text.replacen("\u{feff}id,", "\u{feff}z,", 1);
        }
        let options = Options { full, ..Options::default() };
        if after.people.is_empty() {
            return Ok(());
        }
        let found = run(&before, text.as_bytes(), &options).unwrap();
        let verdict = found.summary.verdict(&approval());
        let mut school = before.clone();
        let reverses = school.apply_all(&found, &verdict);
        let active = |school: &School| school.people.values()
            .filter(|p| p.role == Role::Administrator && p.state == State::Active && !p.is_disabled).count();
        prop_assert!(active(&before) == 0 || active(&school) > 0, "no administrator is left");
        prop_assert!(before.people.keys().all(|id| school.people.contains_key(id)), "somebody was deleted");

        let again = run(&school, text.as_bytes(), &options).unwrap();
        let applied: Vec<_> = again.entries.iter().filter(|e| again.summary.verdict(&approval()).applies(e)
            && !matches!(e.action, Action::Unchanged { .. } | Action::OtherTenant { .. })).collect();
        if found.summary.errors == 0 {
            prop_assert!(applied.is_empty(), "{applied:?}\n{text}");
        }

        let (_, skipped) = match school.apply(&reverses) {
            Ok(undone) => undone,
            // Before the import there was none, either.
            Err(ApplyError::LastAdministrator) if active(&before) == 0 => return Ok(()),
            Err(error) => panic!("{error}"),
        };
        prop_assert_eq!(skipped, Vec::<String>::new());
        for (id, person) in &before.people {
            prop_assert_eq!(school.people.get(id), Some(person));
        }
        for (id, class) in &before.classes {
            prop_assert_eq!(school.classes.get(id), Some(class));
        }
        let mut created = school.people.values().filter(|p| !before.people.contains_key(&p.id));
        prop_assert!(created.all(|p| p.state == State::Left));
        prop_assert_eq!(&school.members, &before.members);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn an_exported_list_changes_nothing(school in school(), full in any::<bool>()) {
        let (people, classes) = exported(&school);
        let options = Options { full, ..Options::default() };
        if !school.people.is_empty() {
            let found = run(&school, &people, &options).unwrap();
            let text = String::from_utf8_lossy(&people).into_owned();
            prop_assert!(found.summary.is_unchanged() && found.summary.errors == 0, "{:?}\n{text}",
                differences(&school, &people, &options));
            prop_assert_eq!(found.summary.unchanged_people, school.people.len() as u64);
        }
        if school.classes.values().any(|class| class.state == ClassState::Active) {
            let found = run(&school, &classes, &Options::default()).unwrap();
            let text = String::from_utf8_lossy(&classes).into_owned();
            prop_assert!(found.summary.is_unchanged() && found.summary.errors == 0, "{:?}\n{text}",
                differences(&school, &classes, &Options::default()));
        }
    }

    #[test]
    fn no_exported_cell_is_evaluated_by_a_spreadsheet(school in school()) {
        let (people, classes) = exported(&school);
        for file in [people, classes] {
            let text = String::from_utf8(file).unwrap();
            for cell in cells(text.trim_start_matches('\u{feff}')) {
                let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']);
                prop_assert!(!is_formula, "{cell:?}");
            }
        }
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..400)) {
        let _ = import(&mut Cursor::new(bytes), &School::sample(), &Options::default(), &mut Found::default());
    }

    #[test]
    fn no_table_panics(
        heading in vec(prop_oneof![
            Just("id"), Just("login"), Just("name"), Just("class"), Just("class id"), Just("teaches"), Just("role"),
            Just("status"), Just("given name"), Just("carrel id"), Just("carrel tenant"), Just("courses"), Just("x"),
        ], 1..8),
        rows in vec(vec(prop_oneof![text(), Just("1001".to_owned()), Just("noor".to_owned()), Just("5A".to_owned()),
            Just("\"".to_owned()), Just("\n".to_owned()), Just(String::new())], 0..9), 0..8),
        separator in prop_oneof![Just(","), Just(";"), Just("\t")],
        full in any::<bool>(),
    ) {
        let rows = rows.iter().map(|row| row.join(separator));
        let text = std::iter::once(heading.join(separator)).chain(rows).collect::<Vec<_>>().join("\r\n");
        let options = Options { full, ..Options::default() };
        let mut found = Found::default();
        let mut school = School::sample();
        if let Ok((_, summary)) = import(&mut Cursor::new(text.as_bytes()), &school, &options, &mut found) {
            let verdict = summary.verdict(&approval());
            school.apply_all(&found, &verdict);
            prop_assert!(school.people.len() >= School::sample().people.len());
            prop_assert_eq!(school.person_mut(1).role, Role::Administrator);
        }
    }
}

#[test]
fn entries_are_stored_as_json() {
    let file = b"id,login,class\n1003,lea,7C\n9,bo,5A\n1001,nora,\n";
    let found =
        run(&School::sample(), file, &Options { full: true, ..Options::default() }).unwrap();
    assert!(found.entries.len() >= 6);
    for entry in found.entries {
        let json = serde_json::to_string(&entry).unwrap();
        assert_eq!(serde_json::from_str::<carrel_roster::Entry>(&json).unwrap(), entry, "{json}");
    }
}

#[test]
fn removals_of_a_wrong_file_are_held() {
    let mut school = School::empty("river");
    for n in 0..240_u128 {
        let mut person = School::sample().people[&UserId::from_u128(2)].clone();
        person.id = UserId::from_u128(10_000 + n);
        person.source_id = Some(format!("S{n}"));
        person.login = format!("pupil{n}");
        school.people.insert(person.id, person);
    }
    let full = Options { full: true, ..Options::default() };
    // The first page of the answer of a directory.
    let mut page = "id,login\n".to_owned();
    for n in 0..20 {
        page += &format!("S{n},pupil{n}\nN{n},new{n}\n");
    }
    let found = run(&school, page.as_bytes(), &full).unwrap();
    assert_eq!((found.summary.suspended_people, found.summary.created_people), (220, 20));
    let verdict = found.summary.verdict(&Approval::default());
    assert!(verdict.is_held());
    let mut after = school.clone();
    after.apply_all(&found, &verdict);
    assert_eq!(after.people.len(), 260);
    assert!(after.people.values().all(|person| person.state == State::Active));
    // A person looked at the differences and approved them.
    let verdict = found.summary.verdict(&Approval { people: Some(220), ..Approval::default() });
    assert!(!verdict.is_held());
    // The list of another school, whose ids are numbers of the same form.
    let other: String = (0..20).map(|n| format!("S{n},other{n},Other {n}\n")).collect();
    let found =
        run(&school, format!("id,login,name\n{other}").as_bytes(), &Options::default()).unwrap();
    assert_eq!(found.summary.replaced_people, 20);
    assert!(found.summary.verdict(&Approval::default()).is_held());
}

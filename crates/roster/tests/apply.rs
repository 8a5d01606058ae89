//! Applying differences: what somebody else changed meanwhile is kept, suspended people are signed out, and an
//! administrator stays.

mod common;

use carrel_model::UserId;
use carrel_roster::{Approval, Options, PersonRef, State};
use common::{School, run};

/// Applies the differences of a file to a school that was changed after the comparison.
fn applied_later(file: &str, change: impl FnOnce(&mut School)) -> (School, Vec<String>) {
    let mut school = School::sample();
    let found = run(&school, file.as_bytes(), &Options::default()).unwrap();
    change(&mut school);
    let actions: Vec<_> = found.entries.into_iter().map(|entry| entry.action).collect();
    let (_, skipped) = school.apply(&actions).unwrap();
    (school, skipped)
}

#[test]
fn a_change_of_somebody_else_is_kept() {
    let (mut school, skipped) = applied_later(
        "id,login,name,language\n1001,noor,Noor New,fr\n1002,peter,Peter New,\n",
        |school| school.person_mut(2).name = "Noor By Hand".to_owned(),
    );
    assert_eq!(skipped, ["noor: Name was changed meanwhile"]);
    let noor = school.person_mut(2).clone();
    assert_eq!((noor.name.as_str(), noor.lang), ("Noor By Hand", None));
    assert_eq!(school.person_mut(3).name, "Peter New");

    let (_, skipped) =
        applied_later("login,name\nbo,Bo\n", |school| school.person_mut(3).login = "BO".to_owned());
    assert_eq!(skipped, ["the login \"bo\" is taken"]);
    let (_, skipped) = applied_later("id,login\n77,bo\n", |school| {
        school.person_mut(6).source_id = Some("77".to_owned())
    });
    assert_eq!(skipped, ["the id \"77\" is that of local"]);
    let (mut school, skipped) = applied_later("id,login,status\n1002,peter,left\n", |school| {
        school.person_mut(3).state = State::Suspended;
    });
    assert_eq!(skipped, ["peter: the state was changed meanwhile"]);
    assert_eq!(school.person_mut(3).state, State::Suspended);
    let (_, skipped) = applied_later("id,login,class\n1002,peter,5A\n", |school| {
        school.members.insert((UserId::from_u128(3), common::class_id(10), false));
    });
    assert_eq!(skipped, ["the membership was added meanwhile"]);
}

#[test]
fn people_who_may_not_sign_in_are_signed_out() {
    let (school, _) = applied_later(
        "id,login,status\n1002,peter,suspended\n1001,noor,left\n1003,lea,active\n",
        |_| {},
    );
    assert_eq!(school.signed_out, [UserId::from_u128(3), UserId::from_u128(2)]);
}

#[test]
fn the_last_administrator_stays_whatever_happened_meanwhile() {
    let mut school = School::sample();
    let file = b"login,role\nadmin,student\nlocal,administrator\n";
    let found = run(&school, file, &Options::default()).unwrap();
    assert!(!found.summary.verdict(&Approval::default()).keeps_administrators);
    // The person who was to become administrator was disabled meanwhile.
    school.person_mut(6).is_disabled = true;
    let before = school.people.clone();
    let actions: Vec<_> = found.entries.into_iter().map(|entry| entry.action).collect();
    assert!(school.apply(&actions).unwrap_err().to_string().starts_with("no active administrator"));
    assert_eq!(school.people, before);
}

#[test]
fn reverses_name_ids() {
    let mut school = School::sample();
    let found = run(&school, b"login,name,class\nbo,Bo,7C\n", &Options::default()).unwrap();
    let reverses = school.apply_all(&found, &found.summary.verdict(&Approval::default()));
    let json = serde_json::to_string(&reverses).unwrap();
    assert_eq!(reverses.len(), 3);
    assert!(!json.contains("login") && !json.contains("\"name\""), "{json}");
    // The login of the new person is changed before the import is undone.
    let bo = school.people.values_mut().find(|person| person.login == "bo").unwrap();
    bo.login = "bo.li".to_owned();
    let id = PersonRef::Id(bo.id);
    let (again, skipped) = school.apply(&reverses).unwrap();
    assert_eq!((again.len(), skipped), (3, vec![]));
    assert!(serde_json::to_string(&again).unwrap().contains(&serde_json::to_string(&id).unwrap()));
    assert!(
        school.people.values().any(|person| person.login == "bo.li" && person.state == State::Left)
    );
}

/// Imports the file into the sample school, undoes it and undoes that. Returns the three schools and the reverses.
fn undone_and_redone(file: &str) -> [School; 3] {
    let mut school = School::sample();
    let found = run(&school, file.as_bytes(), &Options::default()).unwrap();
    let reverses = school.apply_all(&found, &found.summary.verdict(&Approval::default()));
    let imported = school.clone();
    let (redo, skipped) = school.apply(&reverses).unwrap();
    assert_eq!(skipped, [""; 0]);
    let undone = school.clone();
    let (_, skipped) = school.apply(&redo).unwrap();
    assert_eq!(skipped, [""; 0]);
    [imported, undone, school]
}

#[test]
fn an_undo_gives_back_logins_that_new_people_took() {
    // Peter is renamed, and a new person has his old login, the last one with a Cyrillic letter that looks like p.
    for (taken, login) in [("peter", "peter-2"), ("Peter", "Peter-2"), ("рeter", "рeter-2")] {
        let file = format!("id,login,name\n1002,peter.ito,Peter Ito\n1009,{taken},Peter New\n");
        let [imported, undone, redone] = undone_and_redone(&file);
        for person in School::sample().people.values() {
            assert_eq!(undone.people.get(&person.id), Some(person));
        }
        let new = undone.people.values().find(|p| p.source_id.as_deref() == Some("1009")).unwrap();
        assert_eq!((new.login.as_str(), new.state), (login, State::Left));
        assert_eq!(redone.people, imported.people);
    }
}

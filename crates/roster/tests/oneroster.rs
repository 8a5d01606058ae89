//! OneRoster bundles: bulk and delta, versions 1.1 and 1.2, roles, terms, and bundles with problems.

mod common;

use carrel_roster::{Action, Options};
use common::{School, bundle, differences, run};

const MANIFEST: &str = "propertyName,value\nmanifest.version,1.0\noneroster.version,1.1\nfile.users,bulk\n\
                        file.classes,bulk\nfile.enrollments,bulk\nsource.systemName,Example SIS\n";
const ORGS: &str =
    "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId\nS1,,,River,school,,\n";
const SESSIONS: &str = "sourcedId,status,dateLastModified,title,type,startDate,endDate,parentSourcedId,schoolYear\n\
                        T25,,,2025,schoolYear,2025-08-01,2026-07-01,,2026\n\
                        T26,,,2026,schoolYear,2026-08-01,2027-07-01,,2027\n";
const COURSES: &str = "sourcedId,status,dateLastModified,schoolYearSourcedId,title,courseCode,grades,orgSourcedId\n\
                       K1,,,T26,Rivers,Rivers,,S1\nK2,,,T26,Maths,MA 101,,S1\n";
const CLASSES: &str = "sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,location,\
                       schoolSourcedId,termSourcedIds\nC5A,,,5A,,K2,,homeroom,,S1,T26\n\
                       C6,,,Rivers 6,06,K1,,scheduled,,S1,\"T25,T26\"\nC9,,,Old,06,K1,,scheduled,,S1,T25\n";
const USERS: &str = "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,givenName,\
                     familyName,middleName,identifier,email\n\
                     1001,,,true,S1,student,noor,,Noor,Khan,,,\n\
                     1002,,,false,S1,student,peter,,Peter,Ito,,,\n\
                     1003,,,true,S1,student,lea,,Lea,Roux,,,\n\
                     2001,,,true,S1,teacher,rossi,,Tina,Rossi,,,\n\
                     3000,,,true,S1,student,,,Sami,Haddad,,,sami@x.example\n\
                     3001,,,true,S1,administrator,head,,Hana,Head,,,\n\
                     4000,,,true,S1,parent,dad,,Dad,Khan,,,\n";
const ENROLMENTS: &str = "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,primary,\
                          beginDate,endDate\n\
                          E1,,,C5A,S1,1001,student,,,\nE2,,,C6,S1,3000,student,,2026-08-01,2027-07-01\n\
                          E3,,,C6,S1,2001,teacher,true,,\nE4,,,C5A,S1,2001,teacher,true,2025-08-01,2026-01-01\n\
                          E5,,,C9,S1,1001,student,,,\nE6,,,C6,S1,4000,student,,,\nE7,,,C7,S1,1001,student,,,\n\
                          E8,,,C6,S1,9999,student,,,\n";

fn options(full: bool) -> Options {
    Options { full, today: "2026-11-30".to_owned(), ..Options::default() }
}

fn bulk() -> Vec<u8> {
    bundle(&[
        ("export/manifest.csv", MANIFEST),
        ("export/orgs.csv", ORGS),
        ("export/academicSessions.csv", SESSIONS),
        ("export/courses.csv", COURSES),
        ("export/classes.csv", CLASSES),
        ("export/users.csv", USERS),
        ("export/enrollments.csv", ENROLMENTS),
        ("__MACOSX/export/._users.csv", "\0\0"),
    ])
}

#[test]
fn a_bulk_bundle_is_read_in_the_order_of_its_references() {
    assert_eq!(
        differences(&School::sample(), &bulk(), &options(false)),
        [
            "3 create class Rivers 6 #C6",
            "3 state peter active>suspended stated",
            "4 state lea left>active stated",
            "6 create sami@x.example \"Sami Haddad\" #3000 sami@x.example",
            "7 create head \"Hana Head\" #3001 instructor",
            "3 add #3000 to #C6 student",
            "4 add rossi to #C6 instructor",
            "5 end rossi in 5A instructor",
            "warning users.csv:7 staff-role role \"3001\"",
            "warning users.csv:8 no-account role \"4000\"",
            "error enrollments.csv:8 unknown-reference classSourcedId \"C7\"",
            "error enrollments.csv:9 unknown-reference userSourcedId \"9999\"",
        ]
    );
    let found = run(&School::sample(), &bulk(), &options(false)).unwrap();
    let courses = found.entries.iter().find_map(|entry| match &entry.action {
        Action::CreateClass(class) => Some(class.courses.clone()),
        _ => None,
    });
    assert_eq!(courses.unwrap()[0].as_str(), "rivers");
}

#[test]
fn after_an_import_the_bundle_changes_nothing() {
    let mut school = School::sample();
    let found = run(&school, &bulk(), &options(false)).unwrap();
    school.apply_all(&found, &found.summary.verdict(&Default::default()));
    let again = run(&school, &bulk(), &options(false)).unwrap();
    assert!(again.summary.is_unchanged(), "{:?}", differences(&school, &bulk(), &options(false)));
}

#[test]
fn a_delta_removes_and_cannot_be_full() {
    let manifest = MANIFEST.replace("bulk", "delta").replace("1.1", "1.2");
    let users = "sourcedId,status,dateLastModified,enabledUser,username,givenName,familyName,preferredGivenName\n\
                 1002,tobedeleted,2026-11-01T00:00:00Z,true,peter,Peter,Ito,\n\
                 1001,active,2026-11-01T00:00:00Z,true,noor,Noor,Khan,Nunu\n\
                 7777,tobedeleted,2026-11-01T00:00:00Z,true,gone,Go,Ne,\n\
                 1003,paused,2026-11-01T00:00:00Z,true,lea,Lea,Roux,\n";
    let roles = "sourcedId,status,dateLastModified,userSourcedId,roleType,role,beginDate,endDate,orgSourcedId\n\
                 R1,active,,1001,primary,student,,,S1\nR2,active,,1001,secondary,aide,,,S1\n";
    let classes = "sourcedId,status,dateLastModified,title\nC5A,tobedeleted,,5A\n";
    let enrolments = "sourcedId,status,classSourcedId,userSourcedId,role\nE1,tobedeleted,C5A,1001,student\n\
                      E1,tobedeleted,C5A,1001,student\nE9,tobedeleted,C5A,1002,student\n";
    let file = bundle(&[
        ("manifest.csv", &manifest),
        ("users.csv", users),
        ("roles.csv", roles),
        ("classes.csv", classes),
        ("enrollments.csv", enrolments),
    ]);
    assert_eq!(
        differences(&School::sample(), &file, &options(false)),
        [
            "2 archive class 5A",
            "2 state peter active>left stated",
            "3 change noor Name \"Noor Khan\">\"Nunu Khan\" Role \"student\">\"instructor\"",
            "2 end noor in 5A student",
            "error users.csv:5 unknown-status status \"paused\"",
        ]
    );
    let refused = differences(&School::sample(), &file, &options(true));
    assert!(refused[0].starts_with("stopped: a delta cannot be a full roster"), "{refused:?}");
}

#[test]
fn an_administrator_of_the_server_keeps_the_role() {
    let mut school = School::sample();
    let admin = school.person_mut(1);
    admin.source_id = Some("2002".to_owned());
    let users = "sourcedId,enabledUser,role,username,givenName,familyName\n2002,true,teacher,admin,Ada,Admin\n";
    let file = bundle(&[("users.csv", users)]);
    assert_eq!(
        differences(&school, &file, &options(false)),
        ["2 change admin Given \"\">\"Ada\" Family \"\">\"Admin\""]
    );
}

#[test]
fn bundles_that_cannot_be_read_are_refused() {
    for (files, part) in [
        (vec![("notes.txt", "x")], "users.csv is not in the bundle"),
        (vec![("users.csv", "name,mail\na,b\n")], "users.csv has no column \"sourcedId\""),
        (
            vec![
                ("users.csv", USERS),
                ("manifest.csv", "propertyName,value\noneroster.version,2.0\n"),
            ],
            "version \"2.0\"",
        ),
        (vec![("[Content_Types].xml", "<x/>"), ("xl/workbook.xml", "<x/>")], "spreadsheet"),
        (
            vec![
                ("users.csv", USERS),
                ("enrollments.csv", "sourcedId,classSourcedId,role\n1,2,student\n"),
            ],
            "enrollments.csv has no column \"userSourcedId\"",
        ),
    ] {
        let found = differences(&School::sample(), &bundle(&files), &options(false));
        assert!(found.last().is_some_and(|last| last.contains(part)), "{part}: {found:?}");
    }
    let mut cut = bulk();
    cut.truncate(cut.len() / 2);
    assert!(
        differences(&School::sample(), &cut, &options(false))[0]
            .starts_with("stopped: the zip archive")
    );
}

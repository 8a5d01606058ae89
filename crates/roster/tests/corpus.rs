//! Lists of people as schools have them, each with its differences to the sample school or its problems.

mod common;

use carrel_model::{UserId, wire::Role};
use carrel_roster::{Encoding, Options};
use common::{School, differences};

struct Case {
    name: &'static str,
    file: Vec<u8>,
    options: Options,
    expected: &'static [&'static str],
}

fn case(name: &'static str, file: impl AsRef<[u8]>, expected: &'static [&'static str]) -> Case {
    Case { name, file: file.as_ref().to_vec(), options: Options::default(), expected }
}

fn full(name: &'static str, file: impl AsRef<[u8]>, expected: &'static [&'static str]) -> Case {
    let options = Options { full: true, ..Options::default() };
    Case { options, ..case(name, file, expected) }
}

fn encoded(text: &str, label: &str) -> Vec<u8> {
    let coding = encoding_rs::Encoding::for_label(label.as_bytes()).unwrap();
    let (bytes, _, has_errors) = coding.encode(text);
    assert!(!has_errors, "{text}");
    bytes.into_owned()
}

fn utf16(text: &str, with_mark: bool) -> Vec<u8> {
    let mark = if with_mark { "\u{feff}" } else { "" };
    format!("{mark}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn check(cases: Vec<Case>) -> usize {
    let school = School::sample();
    let mut failures = String::new();
    let count = cases.len();
    for case in cases {
        let found = differences(&school, &case.file, &case.options);
        if found != case.expected {
            failures +=
                &format!("{}:\n  expected {:#?}\n  found {found:#?}\n", case.name, case.expected);
        }
    }
    assert!(failures.is_empty(), "{failures}");
    count
}

const ZOE: &[&str] = &["2 create zoë \"Zoë Müller\""];

#[test]
fn encodings_and_separators() {
    let text = "login,name\nzoë,Zoë Müller\n";
    let semicolon = text.replace(',', ";");
    let guessed: &[&str] = &["2 create zoë \"Zoë Müller\"", "warning 0 encoding-guessed - \"\""];
    check(vec![
        case("UTF-8", text, ZOE),
        case("UTF-8 with a byte order mark", format!("\u{feff}{text}"), ZOE),
        case(
            "UTF-16 of Excel's Unicode text, with tabs",
            utf16(&text.replace(',', "\t"), true),
            ZOE,
        ),
        case("UTF-16 without a mark", utf16(text, false), ZOE),
        case(
            "windows-1252 with semicolons, as Excel saves in Europe",
            encoded(&semicolon, "windows-1252"),
            guessed,
        ),
        case("tabs", text.replace(',', "\t"), ZOE),
        case("bars", text.replace(',', "|"), ZOE),
        case("semicolons, CRLF", semicolon.replace('\n', "\r\n"), ZOE),
        case("CR of an old Macintosh", text.replace('\n', "\r"), ZOE),
        case(
            "a line with the separator",
            format!("sep=;\r\n{semicolon}"),
            &["3 create zoë \"Zoë Müller\""],
        ),
        case(
            "Arabic in windows-1256: known by the headings",
            encoded("اسم المستخدم;الاسم الكامل\nnoor2;نور خان\n", "windows-1256"),
            &["2 create noor2 \"نور خان\"", "warning 0 encoding-guessed - \"\""],
        ),
        Case {
            options: Options { encoding: Encoding::of_name("iso-8859-15"), ..Options::default() },
            ..case(
                "latin 9, stated",
                encoded("login;name\nx1;Œuvre €\n", "iso-8859-15"),
                &["2 create x1 \"Œuvre €\""],
            )
        },
        case("the Macintosh encoding of Excel", b"login,name\rzo\x91,Zo\x91 M\x9fller\r", guessed),
        case(
            "Chinese in GBK: known by the headings",
            encoded("用户名,姓名\nli2,李 伟\n", "gbk"),
            &["2 create li2 \"李 伟\"", "warning 0 encoding-guessed - \"\""],
        ),
        case(
            "Japanese in Shift_JIS: known by the headings",
            encoded("ユーザー名,氏名\nsato,佐藤 葵\n", "shift_jis"),
            &["2 create sato \"佐藤 葵\"", "warning 0 encoding-guessed - \"\""],
        ),
        case(
            "UTF-8 with one damaged letter",
            [b"login,name\nana,\xc3\xa9\xc3\xa8\xc3\xa9\xc3\xa8\xc3\xa9\nbo,B\xf6\n".as_slice()]
                .concat(),
            &["2 create ana \"éèéèé\"", "error 3 damaged-character name \"B\u{fffd}\""],
        ),
        case("empty", "", &["stopped: the file is empty; hint: export it again"]),
        case(
            "a spreadsheet",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
            &[
                "stopped: the file is a spreadsheet (Excel or LibreOffice); hint: save it as \"CSV UTF-8\"",
            ],
        ),
    ]);
}

#[test]
fn headings_and_rows() {
    check(vec![
        case(
            "columns in another order, unknown columns, trailing separators",
            "Shoe size,Name,Login,Remark,,\n38,Bo Li,bo,,,\n,,,,,\n39,Cy Do,cy,x,,\n",
            &["2 create bo \"Bo Li\"", "4 create cy \"Cy Do\""],
        ),
        case(
            "French",
            "Nom;Prénom;Identifiant;Classe;Rôle\nRoux;Léa;l.roux;5B;élève\nPetit;Jo;j.petit;5B;Professeur\n",
            &[
                "2 create l.roux \"Léa Roux\"",
                "2 add l.roux to 5B student",
                "3 create j.petit \"Jo Petit\" instructor",
                "3 add j.petit to 5B instructor",
            ],
        ),
        case(
            "German",
            "Schülernummer;Nachname;Vorname;Benutzername;Klasse\n0007;Groß;Änne;aenne;5B\n",
            &["2 create aenne \"Änne Groß\" #0007", "2 add #0007 to 5B student"],
        ),
        case(
            "Spanish",
            "matrícula,apellidos,nombre,usuario,grupo\n55,Núñez Gil,Ana,ana.n,5B\n",
            &["2 create ana.n \"Ana Núñez Gil\" #55", "2 add #55 to 5B student"],
        ),
        case(
            "Arabic",
            "رقم الطالب,الاسم,اسم المستخدم,الصف,الدور\n77,ليلى حسن,laila,5B,طالبة\n",
            &["2 create laila \"ليلى حسن\" #77", "2 add #77 to 5B student"],
        ),
        case(
            "a grade book of Canvas: a second row of headings, its test person, names as Family, Given",
            "Student,ID,SIS User ID,SIS Login ID,Section,Essay\n\
             \x20   Points Possible,,,,,10\n\
             \"Khan, Noor\",9,1001,noor,5A,8\n\
             \"Li, Bo\",10,1009,bo,5A,7\n\
             \"Student, Test\",,,,5A,\n",
            &[
                "4 create bo \"Bo Li\" #1009",
                "4 add #1009 to 5A student",
                "warning 2 skipped-row - \"Points Possible\"",
                "warning 5 skipped-row - \"Student, Test\"",
            ],
        ),
        case(
            "a blank row after the headings",
            "login,name\n\n,\nbo,Bo Li\n",
            &["4 create bo \"Bo Li\""],
        ),
        case(
            "a title above the headings, a total below",
            "Class list 2026,,\nPrinted on 1 Sept,,\n\nName,Login,Class\nBo Li,bo,5B\nTotal: 1,,\n",
            &[
                "5 create bo \"Bo Li\"",
                "5 add bo to 5B student",
                "warning 6 skipped-row - \"Total: 1\"",
            ],
        ),
        case(
            "repeated headings: classes are joined, equal values are one",
            "login,name,class,class,login\nbo,Bo,5A,5B,bo\ncy,Cy,5A,,cyy\n",
            &[
                "2 create bo \"Bo\"",
                "2 add bo to 5A student",
                "2 add bo to 5B student",
                "error 3 columns-disagree login \"cyy\"",
            ],
        ),
        case(
            "quoted cells with separators, quotes and line ends",
            "login,name,remark\nbo,\"Bo \"\"B\"\" Li\",\"a, b\nc\"\ncy,Cy,\n",
            &["2 create bo \"Bo \\\"B\\\" Li\"", "4 create cy \"Cy\""],
        ),
        case(
            "a quote that is never closed",
            "login,name\nbo,\"Bo Li\ncy,Cy Do\n",
            &[
                "stopped: line 2: a double quote starts a cell that is never closed; hint: close it, or remove it",
            ],
        ),
        case(
            "quotes of two rows that swallow the rows between",
            "login,name,x\nbo,\"Bo,1\ncy,\"Cy\",2\nda,Da,3\n",
            &[
                "4 create da \"Da\"",
                "warning 2 text-after-quote name \"Bo,1\\ncy,\\\"Cy\"",
                "error 2 unclosed-quote name \"Bo,1\\ncy,\\\"Cy\"",
            ],
        ),
        case(
            "a value with the separator that is not quoted",
            "login,name\nbo,Li, Bo\n",
            &["error 2 extra-cells - \"Bo\""],
        ),
        case(
            "no headings",
            "bo,Bo Li\ncy,Cy Do\n",
            &["stopped: no headings were found; the first row is \"bo,Bo Li\"; \
                 hint: the first row names the columns: id,login,name,role,class"],
        ),
        case(
            "an export of Google",
            "First Name [Required],Last Name [Required],Email Address [Required],Status [READ ONLY],Employee ID\n\
             Bo,Li,bo@x.example,Active,E7\nCy,Do,cy@x.example,Suspended,E8\n",
            &[
                "2 create bo@x.example \"Bo Li\" #E7 bo@x.example",
                "3 create cy@x.example \"Cy Do\" #E8 suspended cy@x.example",
            ],
        ),
        case(
            "an export of Moodle: suspended is yes or no",
            "username,firstname,lastname,email,idnumber,suspended,cohort1\n\
             bo,Bo,Li,bo@x.example,7,0,5A\npeter,Peter,Ito,p@x.example,1002,1,\n",
            &[
                "2 create bo \"Bo Li\" #7 bo@x.example",
                "2 add #7 to 5A student",
                "3 change peter Email \"\">\"p@x.example\"",
                "3 state peter active>suspended stated",
            ],
        ),
        case(
            "yes and no as a status",
            "login,actif\nbo,oui\nlocal,non\n",
            &["2 create bo \"bo\"", "3 state local active>suspended stated"],
        ),
        case(
            "enrolments without logins",
            "Section SIS ID,SIS ID\nC5A,1002\nC5A,1001\nC5A,9\n",
            &["2 add peter to 5A student", "error 4 missing-login SIS ID \"9\""],
        ),
        case(
            "names as Family, Given, and with a title",
            "login,name\nbo,\"Li, Bo\"\ncy,\"Cy Do, Jr.\"\nli,\"حسن، ليلى\"\n",
            &["2 create bo \"Bo Li\"", "3 create cy \"Cy Do, Jr.\"", "4 create li \"ليلى حسن\""],
        ),
        case(
            "lists joined to one file, with a line of the program at its end",
            "login,name\nbo,Bo\nLogin,Name\ncy,Cy\nPrinted by the office on 1 September,\n",
            &[
                "2 create bo \"Bo\"",
                "4 create cy \"Cy\"",
                "warning 3 skipped-row - \"Login\"",
                "warning 5 skipped-row - \"Printed by the office on 1 September\"",
            ],
        ),
        case(
            "a name without a login is an error",
            "login,name\n,María José García López\n",
            &["error 2 missing-login - \"\""],
        ),
        Case {
            options: Options { default_role: Some(Role::Instructor), ..Options::default() },
            ..case(
                "a list of teachers without roles",
                "login,name,class\nbo,Bo,5A\nnoor,Noor Khan,5B\n",
                &[
                    "2 create bo \"Bo\" instructor",
                    "2 add bo to 5A instructor",
                    "3 add noor to 5B student",
                ],
            )
        },
        case("a list of logins", "login\nbo\n", &["2 create bo \"bo\""]),
        case(
            "an e-mail address as login",
            "name,email\nBo Li,bo@x.example\n",
            &["2 create bo@x.example \"Bo Li\" bo@x.example"],
        ),
        case(
            "two children with their parents' address, and an address that is not valid",
            "Identifiant;Nom complet;Courriel\nbo;Bo Li;Parents.Li@x.example\ncy;Cy Li;Parents.Li@x.example\n\
             noor;Noor Khan;noor à l'école\nlocal;;\n",
            &[
                "2 create bo \"Bo Li\" Parents.Li@x.example",
                "3 create cy \"Cy Li\" Parents.Li@x.example",
                "warning 4 bad-email Courriel \"noor à l'école\"",
            ],
        ),
        case(
            "addresses as programs write them",
            "login,البريد الإلكتروني\nbo,mailto:bo@x.example\ncy,Cy Do <cy@x.example>\n",
            &["2 create bo \"bo\" bo@x.example", "3 create cy \"cy\" cy@x.example"],
        ),
        case(
            "marks of direction around Arabic names, joiners inside",
            "login,name\nmi,\u{200f}می\u{200c}خواهم\u{200e}\n",
            &["2 create mi \"می\\u{200c}خواهم\""],
        ),
    ]);
}

#[test]
fn values_that_spreadsheets_change() {
    check(vec![
        case("leading zeros", "id,login,name\n0012,bo,Bo\n", &["2 create bo \"Bo\" #0012"]),
        case("protected zeros", "id,login,name\n=\"0012\",bo,Bo\n", &["2 create bo \"Bo\" #0012"]),
        case(
            "rounded numbers",
            "id,login,name\n1.23E+10,bo,Bo\n1.23E+10,cy,Cy\n",
            &[
                "error 2 scientific-number id \"1.23E+10\"",
                "error 3 scientific-number id \"1.23E+10\"",
            ],
        ),
        case(
            "decimal ids",
            "id,login,name\n1001.0,noor,Noor Khan\n",
            &["error 2 decimal-number id \"1001.0\""],
        ),
        case(
            "formulas and errors",
            "login,name\n=A1,Bo\ncy,#REF!\n",
            &["error 2 formula login \"=A1\"", "error 3 spreadsheet-error name \"#REF!\""],
        ),
        case(
            "cells that are protected against being a formula",
            "login,name\n'@bo,'=Bo\n",
            &["2 create @bo \"=Bo\""],
        ),
        case(
            "an id that became a date",
            "id,login,name\n03-Mar,bo,Bo\n",
            &["2 create bo \"Bo\" #03-Mar", "warning 2 looks-like-date id \"03-Mar\""],
        ),
        case(
            "a class that became a date",
            "login,name,class\nbo,Bo,05-Jan\n",
            &[
                "2 create class 05-Jan",
                "2 create bo \"Bo\"",
                "2 add bo to 05-jan student",
                "warning 2 looks-like-date class \"05-Jan\"",
            ],
        ),
    ]);
}

#[test]
fn people_are_matched_and_told_apart() {
    check(vec![
        case(
            "changes field by field",
            "id,login,given name,family name,language\n1001,noor.k,Noor,Khan-Ali,fr\n",
            &["2 change noor Login \"noor\">\"noor.k\" Family \"Khan\">\"Khan-Ali\" \
                 Name \"Noor Khan\">\"Noor Khan-Ali\" \
               Lang \"\">\"fr\""],
        ),
        case("case of a login is no change", "id,login,name\n1001,NOOR,Noor Khan\n", &[]),
        case(
            "the same login twice, also in another case",
            "login,name\nbo,Bo Li\nBO,Bo Li\nBo,Other Bo\n",
            &[
                "2 create bo \"Bo Li\"",
                "error 3 duplicate-login login \"BO\"",
                "error 4 duplicate-login login \"Bo\"",
            ],
        ),
        case(
            "the same id twice",
            "id,login,name\n7,bo,Bo\n7,cy,Cy\n",
            &["2 create bo \"Bo\" #7", "error 3 duplicate-id id \"7\""],
        ),
        case(
            "two people with one name stay two",
            "id,login,name\n7,ali1,Ali Ahmed\n8,ali2,Ali Ahmed\n",
            &["2 create ali1 \"Ali Ahmed\" #7", "3 create ali2 \"Ali Ahmed\" #8"],
        ),
        case(
            "one row for each class",
            "id,login,name,class\n7,bo,Bo,5A\n7,bo,Bo,5B\n1001,noor,Noor Khan,5A\n",
            &["2 create bo \"Bo\" #7", "2 add #7 to 5A student", "3 add #7 to 5B student"],
        ),
        case(
            "one row for each class, without ids",
            "login,name,class\nbo,Bo,5A\nbo,Bo,5B\nnoor,Noor Khan,5A\nnoor,Noor Khan,5B\n",
            &[
                "2 create bo \"Bo\"",
                "2 add bo to 5A student",
                "3 add bo to 5B student",
                "5 add noor to 5B student",
            ],
        ),
        case(
            "the same row twice",
            "login,name\nbo,Bo\nbo,Bo\n",
            &["2 create bo \"Bo\"", "warning 3 repeated-row login \"bo\""],
        ),
        case(
            "a login is changed to a look-alike",
            "id,login,name\n1001,nооr,Noor Khan\n",
            &["2 change noor Login \"noor\">\"nооr\""],
        ),
        case("a login matches without ids", "login,name\nPETER,Peter Ito\n", &[]),
        case(
            "with ids, a login is not a person",
            "id,login,name\n4711,peter,Peter Ito\n",
            &["error 2 login-taken login \"peter\""],
        ),
        case(
            "a row without id in a file with ids",
            "id,login,name\n,peter,Peter Ito\n,local,Local Guest\n,new,New One\n",
            &["4 create new \"New One\"", "error 2 missing-id login \"peter\""],
        ),
        case(
            "look-alike logins",
            "login,name\npаul,Paul\npaul,Paula\nn0or,Noor\nnооr,Noor\n",
            &[
                "2 create pаul \"Paul\"",
                "4 create n0or \"Noor\"",
                "error 3 similar-login-in-file login \"paul\"",
                "error 5 similar-login login \"nооr\"",
            ],
        ),
        case(
            "a login becomes free before it is used again",
            "id,login,name\n1002,peter.i,Peter Ito\n9,peter,Peter Pan\n",
            &["2 change peter Login \"peter\">\"peter.i\"", "3 create peter \"Peter Pan\" #9"],
        ),
        case(
            "the ids of Carrel: a source id is added, an unknown id is none",
            "carrel id,carrel tenant,id,login\n\
             00000000-0000-0000-0000-000000000006,river,3001,local\n\
             00000000-0000-0000-0000-0000000000ff,river,,bo\n\
             12,river,,cy\n\
             00000000-0000-0000-0000-000000000002,river,1002,noor\n",
            &[
                "2 change local SourceId \"\">\"3001\"",
                "error 3 unknown-carrel-id carrel id \"00000000-0000-0000-0000-0000000000ff\"",
                "error 4 bad-carrel-id carrel id \"12\"",
                "error 5 ids-disagree carrel id \"00000000-0000-0000-0000-000000000002\"",
            ],
        ),
        case(
            "the export of another school",
            "id,login,name,carrel id,carrel tenant\n1001,asha,Asha B,00000000-0000-0000-0000-000000000777,hill\n",
            &["2 other tenant hill asha"],
        ),
        case(
            "every problem of every line",
            "id,login,name,role,status\n7,b\u{200b}\u{2460},Bo,boss,away\n,,,student,active\n8,,Cy,student,active\n",
            &[
                "error 2 unknown-role role \"boss\"",
                "error 2 unknown-state status \"away\"",
                "error 3 missing-login - \"\"",
                "error 4 missing-login id \"8\"",
            ],
        ),
        case(
            "letters that no login has",
            "login,name\nb\u{2460},Bo\ncy\u{0627}a,Cy\n",
            &["error 2 bad-login login \"b①\"", "error 3 bad-login login \"cyاa\""],
        ),
    ]);
}

#[test]
fn roles_states_and_classes() {
    let own = |name, file: &str, expected| Case {
        options: Options { actor: Some(UserId::from_u128(1)), ..Options::default() },
        ..case(name, file, expected)
    };
    check(vec![
        case(
            "a person who left returns, another one is suspended",
            "id,login,status\n1003,lea,\n1002,peter,suspended\n2001,rossi,left\n",
            &[
                "2 state lea left>active named",
                "3 state peter active>suspended stated",
                "4 state rossi active>left stated",
            ],
        ),
        case(
            "the last administrator is not suspended",
            "login,status\nadmin,suspended\n",
            &["2 state admin active>suspended stated", "error 2 last-administrator - \"admin\""],
        ),
        case(
            "the last administrator is replaced",
            "login,role\nadmin,instructor\nlocal,administrator\n",
            &[
                "2 change admin Role \"administrator\">\"instructor\"",
                "3 change local Role \"student\">\"administrator\"",
            ],
        ),
        own(
            "nobody changes their own role",
            "login,role\nadmin,student\nlocal,instructor\n",
            &[
                "3 change local Role \"student\">\"instructor\"",
                "error 2 own-account login \"admin\"",
            ],
        ),
        case(
            "a class in the archive is not created again, another one is",
            "login,name,class\nbo,Bo,4A\ncy,Cy,6C; 5a\n",
            &[
                "3 create class 6C",
                "3 create cy \"Cy\"",
                "3 add cy to 6c student",
                "3 add cy to 5A student",
                "error 2 archived-class class \"4A\"",
            ],
        ),
        case(
            "an instructor who is also a student",
            "login,name,role,classes,teaches\nda,Da,instructor,5B,5A\n",
            &[
                "2 create da \"Da\" instructor",
                "2 add da to 5B student",
                "2 add da to 5A instructor",
            ],
        ),
        case(
            "classes with ids",
            "login,name,class,class id\nbo,Bo,5A new,C5A\ncy,Cy,6C,C6C\n",
            &[
                "2 change class 5A Name \"5A\">\"5A new\"",
                "2 create bo \"Bo\"",
                "2 add bo to 5A student",
                "3 create class 6C #C6C",
                "3 create cy \"Cy\"",
                "3 add cy to #C6C student",
            ],
        ),
        case(
            "a list of classes",
            "class id,class,courses\nC5A,5A,rivers\n,7D,unknown\n",
            &[
                "2 change class 5A Courses \"\">\"rivers\"",
                "3 create class 7D",
                "warning 3 unknown-course - \"unknown\"",
            ],
        ),
        full(
            "a full roster with ids suspends and ends what it does not name",
            "id,login,class\n1001,noor,5B\n2001,rossi,5A\n",
            &[
                "2 add noor to 5B student",
                "0 state peter active>suspended absent",
                "0 end noor in 5A student",
            ],
        ),
        full(
            "a full list of students suspends no staff",
            "id,login,class\n1001,noor,5A\n",
            &["0 state peter active>suspended absent"],
        ),
        case("not a full roster", "id,login,class\n1001,noor,5B\n", &["2 add noor to 5B student"]),
        full(
            "a row with an error suspends nobody",
            "id,login,role\n1001,noor,boss\n1002,peter,student\n2001,rossi,teacher\n",
            &["error 2 unknown-role role \"boss\""],
        ),
    ]);
}

#[test]
fn the_person_with_the_wrong_roles_of_other_tools_is_found() {
    // The export of a lower secondary school: Kolibri's columns.
    let file = "Database ID,Username,Full name,User type,Identifier,Birth year,Gender,Learner classes,Coach classes\n\
                x1,asha,Asha B,LEARNER,L-1,2013,F,\"5A, 5B\",\n\
                x2,coach,Coach K,CLASS_COACH,,1980,M,,5A\n";
    check(vec![case(
        "an export of Kolibri",
        file,
        &[
            "2 create asha \"Asha B\" #L-1",
            "2 add #L-1 to 5A student",
            "2 add #L-1 to 5B student",
            "3 create coach \"Coach K\" instructor",
            "3 add coach to 5A instructor",
        ],
    )]);
}

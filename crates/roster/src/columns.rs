//! Headings and words of tables in several spellings and languages.

use std::{
    collections::{BTreeMap, HashMap},
    sync::OnceLock,
};

use carrel_model::wire::Role;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use crate::records::State;

/// What a column contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Field {
    /// Mark of the tenant that exported the row.
    Tenant,
    CarrelId,
    SourceId,
    Login,
    Email,
    Name,
    /// `Family, Given`.
    SortableName,
    Given,
    Family,
    Role,
    State,
    /// Whether the person is suspended: yes or no.
    Suspended,
    Lang,
    Class,
    /// Classes in which the person is an instructor.
    Teaches,
    ClassSourceId,
    ClassCarrelId,
    Courses,
}

/// Headings of each field, separated by bars. If a table has several of one field, the first in this list is used.
const HEADINGS: &[(Field, &str)] = &[
    (Field::Tenant, "carrel tenant|tenant"),
    (Field::CarrelId, "carrel id"),
    (
        Field::SourceId,
        "source id|sourced id|sis user id|sis id|student sis id|external id|id number|student id|\
         student number|student no|pupil id|pupil number|learner id|person id|user id|employee id|staff id|teacher id|\
         admission number|admission no|upn|local id|identifier|id|matricule|numéro étudiant|\
         numéro élève|numéro d'élève|n° élève|INE|Schülernummer|Schüler-ID|Matrikelnummer|\
         Personalnummer|matrícula|número de matrícula|número de control|número de estudiante|\
         expediente|código del alumno|número de aluno|nº de processo|codice studente|leerlingnummer|\
         stamnummer|öğrenci no|okul no|رقم الطالب|الرقم الأكاديمي|رقم التسجيل|رقم الهوية|المعرف|\
         табельный номер|学号|学生番号|학번|आईडी|আইডি",
    ),
    (
        Field::Login,
        "login|login name|username|user name|user principal name|sis login id|login id|user login|account|account name|\
         user|nom d'utilisateur|nom utilisateur|identifiant|identifiant de connexion|compte|\
         Benutzername|Anmeldename|Login-Name|Benutzer|Kennung|nombre de usuario|usuario|cuenta|\
         nome de usuário|utilizador|nome de utilizador|nome utente|utente|gebruikersnaam|\
         kullanıcı adı|اسم المستخدم|اسم الدخول|المستخدم|имя пользователя|логин|用户名|登录名|帐号|ユーザー名|ログイン|\
         아이디|사용자 이름|उपयोगकर्ता नाम|ব্যবহারকারীর নাম|jina la mtumiaji",
    ),
    (
        Field::Email,
        "email|e-mail|email address|e-mail address|mail|student email|courriel|adresse e-mail|\
         adresse électronique|adresse mail|E-Mail-Adresse|correo|correo electrónico|\
         endereço de e-mail|indirizzo e-mail|البريد الإلكتروني|البريد|электронная почта|邮箱|メールアドレス|\
         이메일",
    ),
    (
        Field::Name,
        "name|display name|full name|student name|pupil name|learner name|nom complet|nom et prénom|\
         prénom et nom|nom affiché|Anzeigename|vollständiger Name|Schülername|nombre completo|\
         nombre y apellidos|nome completo|volledige naam|ad soyad|adı soyadı|الاسم|الاسم الكامل|\
         اسم الطالب|اسم التلميذ|ФИО|полное имя|姓名|名字|氏名|이름|नाम|নাম|jina",
    ),
    (
        Field::SortableName,
        "sortable name|student|last name, first name|surname, first name|nom, prénom|\
         Nachname, Vorname|apellidos, nombre|learner",
    ),
    (
        Field::Given,
        "given name|given names|first name|firstname|forename|preferred first name|prénom|prénoms|\
         Vorname|Rufname|nombre|nombres|primeiro nome|nome|nome próprio|voornaam|ad|الاسم الأول|\
         الاسم الشخصي|имя|名|नाम पहला",
    ),
    (
        Field::Family,
        "family name|last name|lastname|surname|nom de famille|nom|Nachname|Familienname|\
         Name, Familie|apellidos|apellido|primer apellido|sobrenome|apelido|cognome|achternaam|soyad|\
         soyadı|اسم العائلة|اللقب|النسب|الاسم العائلي|фамилия|姓",
    ),
    (
        Field::Role,
        "role|user type|user role|rôle|fonction|statut (rôle)|Rolle|rol|función|ruolo|الدور|الصفة|\
         роль|角色|役割|역할",
    ),
    (
        Field::State,
        "status|account status|active|enabled|actif|aktiv|activo|ativo|نشط|enrolment status|enrollment status|état|statut|Zustand|stato|الحالة|\
         статус|状态|状態|상태",
    ),
    (
        Field::Suspended,
        "suspended|disabled|suspendu|désactivé|gesperrt|suspendido|suspenso|sospeso|موقوف",
    ),
    (
        Field::Lang,
        "language|lang|locale|preferred language|langue|Sprache|idioma|lengua|lingua|taal|dil|اللغة|\
         язык|语言|言語|언어",
    ),
    (
        Field::Class,
        "class|classes|class name|class 1|class 2|class 3|class 4|learner classes|group|groups|\
         section|section name|cohort|cohort1|cohort2|homeroom|form|course1|classe|groupe|groupes|\
         division|Klasse|Klassen|Gruppe|Kurs|clase|grupo|curso|turma|gruppo|klas|groep|sınıf|şube|\
         الصف|القسم|الفصل|الفوج|المجموعة|класс|группа|班级|班|クラス|組|반|학급|कक्षा|শ্রেণি|darasa",
    ),
    (
        Field::Teaches,
        "teaches|teaches classes|teacher of|coach classes|instructor of|enseigne|professeur de|\
         unterrichtet|enseña|leciona|يدرس|يدرّس",
    ),
    (
        Field::ClassSourceId,
        "class id|class sourced id|section id|section sis id|id classe|Klassen-ID|id clase",
    ),
    (Field::ClassCarrelId, "carrel class id"),
    (Field::Courses, "courses|course ids|cours|Kurse|cursos|الدورات"),
];

const ROLES: &[(Role, &str)] = &[
    (
        Role::Student,
        "student|learner|pupil|s|élève|étudiant|étudiante|apprenant|Schüler|Schülerin|Lernende|\
         Lernender|estudiante|alumno|alumna|aluno|aluna|studente|leerling|öğrenci|طالب|طالبة|تلميذ|\
         تلميذة|متعلم|ученик|студент|学生|生徒|학생|छात्र|mwanafunzi",
    ),
    (
        Role::Instructor,
        "instructor|teacher|coach|facility coach|class coach|t|ta|teaching assistant|aide|enseignant|\
         enseignante|professeur|professeure|prof|formateur|formatrice|Lehrer|Lehrerin|Lehrkraft|\
         Lehrperson|profesor|profesora|docente|maestro|maestra|professor|professora|insegnante|\
         leraar|docent|öğretmen|معلم|معلمة|أستاذ|أستاذة|مدرس|مدرسة|учитель|преподаватель|教师|老师|先生|교사|\
         शिक्षक|mwalimu",
    ),
    (
        Role::Administrator,
        "administrator|admin|facility admin|administrateur|administratrice|Verwalter|administrador|\
         administradora|amministratore|beheerder|yönetici|مدير|مشرف|مديرة|администратор|管理员|管理者|관리자",
    ),
];

const STATES: &[(State, &str)] = &[
    (
        State::Active,
        "active|true|yes|y|oui|ja|sí|sim|نعم|是|enabled|enrolled|current|actif|active (f)|inscrit|aktiv|activo|activa|ativo|attivo|\
         actief|نشط|فعال|активен|активный|启用|在读|有効",
    ),
    (
        State::Suspended,
        "suspended|false|no|n|non|nein|não|لا|否|inactive|disabled|suspendu|suspendue|inactif|gesperrt|inaktiv|suspendido|inactivo|\
         suspenso|inativo|sospeso|موقوف|معلق|غير نشط|停用|休学|неактивен",
    ),
    (
        State::Left,
        "left|withdrawn|graduated|former|tobedeleted|deleted|dropped|parti|sorti|radié|abgegangen|\
         ausgeschieden|egresado|baja|retirado|saiu|uscito|منقطع|غادر|متخرج|выбыл|退学|毕业",
    ),
];

/// Returns the letters and digits of a text in lower case, without accents.
pub(crate) fn folded(text: &str) -> String {
    text.nfkd()
        .filter(|c| c.is_alphanumeric() && !is_combining_mark(*c) && *c != '\u{640}')
        .flat_map(char::to_lowercase)
        .map(|c| match c {
            'ى' => 'ي',
            'ة' => 'ه',
            'ı' => 'i',
            c => c,
        })
        .collect()
}

type Words<T> = HashMap<String, (T, usize)>;

fn words<T: Copy>(lists: &[(T, &str)]) -> Words<T> {
    let mut out = HashMap::new();
    for (value, spellings) in lists {
        for (rank, spelling) in spellings.split('|').enumerate() {
            out.entry(folded(spelling)).or_insert((*value, rank));
        }
    }
    out
}

fn heading(text: &str) -> Option<(Field, usize)> {
    static WORDS: OnceLock<Words<Field>> = OnceLock::new();
    let words = WORDS.get_or_init(|| words(HEADINGS));
    // `First Name [Required]`, `Email (optional)`.
    let plain = || text.split(['[', '(']).next().unwrap_or_default();
    words.get(&folded(text)).or_else(|| words.get(&folded(plain()))).copied()
}

pub(crate) fn role(text: &str) -> Option<Role> {
    static WORDS: OnceLock<Words<Role>> = OnceLock::new();
    WORDS.get_or_init(|| words(ROLES)).get(&folded(text)).map(|(role, _)| *role)
}

pub(crate) fn state(text: &str) -> Option<State> {
    static WORDS: OnceLock<Words<State>> = OnceLock::new();
    match text {
        "1" => return Some(State::Active),
        "0" => return Some(State::Suspended),
        _ => {}
    }
    WORDS.get_or_init(|| words(STATES)).get(&folded(text)).map(|(state, _)| *state)
}

/// Returns how many fields a row of headings names. A row of one title is none.
pub(crate) fn score(cells: &[&str]) -> usize {
    let mut fields: Vec<Field> =
        cells.iter().filter_map(|cell| heading(cell)).map(|(field, _)| field).collect();
    fields.sort_unstable();
    fields.dedup();
    // A list of logins alone has one column.
    let is_table = cells.iter().filter(|cell| !cell.is_empty()).count() > 1
        || fields.iter().any(|field| matches!(field, Field::Login | Field::Email));
    if is_table { fields.len() } else { 0 }
}

/// Returns the columns of each field: several only for repeated headings, and for classes.
pub(crate) fn columns(headings: &[String]) -> BTreeMap<Field, Vec<usize>> {
    let mut found: BTreeMap<Field, Vec<(usize, usize)>> = BTreeMap::new();
    for (at, text) in headings.iter().enumerate() {
        if let Some((field, rank)) = heading(text) {
            found.entry(field).or_default().push((rank, at));
        }
    }
    // Beside a given name, the heading of a family name is often only "Name".
    let is_family = found.contains_key(&Field::Given) && !found.contains_key(&Field::Family);
    let is_plain = |columns: &Vec<(usize, usize)>| {
        columns.iter().all(|(_, at)| folded(&headings[*at]) == "name")
    };
    if is_family && found.get(&Field::Name).is_some_and(is_plain) {
        let columns = found.remove(&Field::Name).unwrap_or_default();
        found.insert(Field::Family, columns);
    }
    let best = |(field, columns): (Field, Vec<(usize, usize)>)| {
        let first = columns.iter().map(|(rank, _)| *rank).min().unwrap_or(0);
        let is_list = matches!(field, Field::Class | Field::Teaches);
        let kept = columns.into_iter().filter(|(rank, _)| is_list || *rank == first);
        (field, kept.map(|(_, at)| at).collect())
    };
    found.into_iter().map(best).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_are_known_in_several_languages() {
        for (text, field) in [
            ("SIS Login ID", Field::Login),
            ("User_Name", Field::Login),
            ("Prénom", Field::Given),
            ("PRENOM", Field::Given),
            ("Prenom", Field::Given),
            ("NOM", Field::Family),
            ("Schüler-Nummer", Field::SourceId),
            ("Correo electrónico", Field::Email),
            ("الأسم", Field::Name),
            ("اسم المُستخدم", Field::Login),
            ("N° élève", Field::SourceId),
            ("Last Name, First Name", Field::SortableName),
            ("First Name [Required]", Field::Given),
            ("Email* (school)", Field::Email),
            ("クラス", Field::Class),
        ] {
            assert_eq!(heading(text).map(|(field, _)| field), Some(field), "{text}");
        }
        assert_eq!(heading("Assignment 1"), None);
        assert_eq!(role("Élève"), Some(Role::Student));
        assert_eq!(role("FACILITY_ADMIN"), Some(Role::Administrator));
        assert_eq!(state("tobedeleted"), Some(State::Left));
    }

    #[test]
    fn no_spelling_has_two_meanings() {
        fn check<T: Copy + PartialEq + std::fmt::Debug>(lists: &[(T, &str)]) {
            let words = words(lists);
            for (value, spellings) in lists {
                for spelling in spellings.split('|') {
                    assert!(!folded(spelling).is_empty(), "{spelling}");
                    assert_eq!(
                        words.get(&folded(spelling)).map(|w| w.0),
                        Some(*value),
                        "{spelling}"
                    );
                }
            }
        }
        check(HEADINGS);
        check(ROLES);
        check(STATES);
    }

    #[test]
    fn the_most_specific_heading_is_used() {
        let headings = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Section"]
            .map(str::to_owned);
        let columns = columns(&headings);
        assert_eq!(columns[&Field::SourceId], [2]);
        assert_eq!(columns[&Field::Class], [4, 5]);
        let headings = ["Name", "Vorname", "Nummer", "No."].map(str::to_owned);
        let columns = super::columns(&headings);
        assert_eq!((&columns[&Field::Family], &columns[&Field::Given]), (&vec![0], &vec![1]));
        // A running number is no id.
        assert!(!columns.contains_key(&Field::SourceId));
    }
}

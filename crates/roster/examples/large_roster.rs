//! Imports a generated list of N people (default 500,000) against a generated school and prints the numbers, for
//! measurements of time and memory: `cargo run --release -p carrel-roster --example large_roster 500000`.

use std::io::{self, Read, Seek, SeekFrom, Write};

use carrel_model::{Slug, UserId, wire::Role};
use carrel_roster::{
    BoxError, Class, ClassId, ClassState, Counts, Directory, Entry, Membership, Options, Person,
    Problem, Sink, State, import,
};

type Result<T> = std::result::Result<T, BoxError>;

/// The text of the list, generated while it is read.
struct List {
    people: u64,
    next: u64,
    line: Vec<u8>,
    at: usize,
}

impl Read for List {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut written = 0;
        while written < buf.len() {
            if self.at == self.line.len() {
                if self.next > self.people {
                    break;
                }
                let n = self.next;
                self.line = if n == 0 {
                    b"id,login,given name,family name,role,class\n".to_vec()
                } else {
                    format!(
                        "S{n},pupil.{n},Zo\u{eb} {n},\"van den Berg, {n}\",student,Class {}\n",
                        n % 20_000
                    )
                    .into_bytes()
                };
                self.at = 0;
                self.next += 1;
            }
            let count = (self.line.len() - self.at).min(buf.len() - written);
            buf[written..written + count].copy_from_slice(&self.line[self.at..self.at + count]);
            self.at += count;
            written += count;
        }
        Ok(written)
    }
}

impl Seek for List {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        if to != SeekFrom::Start(0) {
            return Err(io::Error::other("only to the start"));
        }
        (self.next, self.at) = (0, 0);
        self.line.clear();
        Ok(0)
    }
}

/// A school in which every second person of the list is stored.
struct School {
    people: u64,
}

impl School {
    fn person(&self, n: u64) -> Option<Person> {
        let given = format!("Zo\u{eb} {n}");
        let family = format!("van den Berg, {n}");
        (n.is_multiple_of(2) && n > 0 && n <= self.people).then(|| Person {
            id: UserId::from_u128(n.into()),
            source_id: Some(format!("S{n}")),
            login: format!("pupil.{n}"),
            name: format!("{given} {family}"),
            given: Some(given),
            family: Some(family),
            role: Role::Student,
            state: State::Active,
            is_disabled: false,
            email: None,
            lang: None,
        })
    }

    fn class(n: u64) -> Class {
        Class {
            id: ClassId(UserId::from_u128(n.into()).0),
            source_id: None,
            name: format!("Class {n}"),
            courses: Vec::new(),
            state: ClassState::Active,
        }
    }
}

impl Directory for School {
    fn tenant(&self) -> &str {
        "large"
    }
    fn counts(&self) -> Result<Counts> {
        let people = self.people / 2;
        Ok(Counts { people, administrators: 1, memberships: people, classes: 20_000 })
    }
    fn person_by_id(&self, id: UserId) -> Result<Option<Person>> {
        Ok(self.person(id.0.as_u64_pair().1))
    }
    fn person_by_source_id(&self, id: &str) -> Result<Option<Person>> {
        Ok(id.strip_prefix('S').and_then(|n| n.parse().ok()).and_then(|n| self.person(n)))
    }
    fn person_by_login_key(&self, key: &str) -> Result<Option<Person>> {
        Ok(key.strip_prefix("pupil.").and_then(|n| n.parse().ok()).and_then(|n| self.person(n)))
    }
    fn person_by_skeleton(&self, _: &str) -> Result<Option<Person>> {
        Ok(None)
    }
    fn class_by_id(&self, id: ClassId) -> Result<Option<Class>> {
        Ok(Some(Self::class(id.0.as_u64_pair().1)))
    }
    fn class_by_source_id(&self, _: &str) -> Result<Option<Class>> {
        Ok(None)
    }
    fn classes_by_name_key(&self, key: &str) -> Result<Vec<Class>> {
        let n = key.strip_prefix("class ").and_then(|n| n.parse().ok());
        Ok(n.map(Self::class).into_iter().collect())
    }
    fn is_member(&self, _: Membership) -> Result<bool> {
        Ok(true)
    }
    fn has_course(&self, _: &Slug) -> Result<bool> {
        Ok(false)
    }
    fn each_person(&self, each: &mut dyn FnMut(Person) -> Result<()>) -> Result<()> {
        (1..=self.people).filter_map(|n| self.person(n)).try_for_each(each)
    }
    fn each_class(&self, _: &mut dyn FnMut(Class) -> Result<()>) -> Result<()> {
        Ok(())
    }
    fn each_membership(&self, _: &mut dyn FnMut(Membership) -> Result<()>) -> Result<()> {
        Ok(())
    }
    fn memberships_of(&self, _: UserId) -> Result<Vec<Membership>> {
        Ok(Vec::new())
    }
}

struct Counted(u64);

impl Sink for Counted {
    fn entry(&mut self, _: Entry) -> Result<()> {
        self.0 += 1;
        Ok(())
    }
    fn problem(&mut self, problem: Problem) -> Result<()> {
        Err(problem.to_string().into())
    }
}

fn main() -> Result<()> {
    let people = std::env::args().nth(1).map_or(Ok(500_000), |n| n.parse())?;
    let mut list = List { people, next: 0, line: Vec::new(), at: 0 };
    let options = Options { full: true, ..Options::default() };
    let mut sink = Counted(0);
    let (_, summary) = import(&mut list, &School { people }, &options, &mut sink)?;
    let memory = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = memory.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default().to_owned();
    let text = format!(
        "{people} rows: {} new, {} unchanged, {} entries; {peak}\n",
        summary.created_people, summary.unchanged_people, sink.0
    );
    Ok(io::stdout().write_all(text.as_bytes())?)
}

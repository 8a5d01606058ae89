//! What the rows before have named, as hashes: about 150 bytes for each person of a file.
//!
//! A hash has 64 bits of BLAKE3: two different values of 500,000 have the same one with a probability of 10^-8, and a
//! row is then refused.

use std::collections::{HashMap, HashSet};

use carrel_model::{UserId, wire::Role};

use crate::{
    entry::{ClassRef, PersonRef},
    records::MemberRole,
};

/// Line of a row, and the hash of what it states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SeenRow {
    line: u32,
    data: u32,
}

impl SeenRow {
    pub fn new(line: u64, data: u64) -> Self {
        Self { line: u32::try_from(line).unwrap_or(u32::MAX), data: data as u32 }
    }
    pub fn line(self) -> u64 {
        self.line.into()
    }
    pub fn is_same(self, data: u64) -> bool {
        self.data == data as u32
    }
}

#[derive(Debug, Default)]
pub(super) struct Seen {
    pub has_source_ids: bool,
    /// Roles of the people of the file.
    pub roles: HashSet<Role>,
    /// Rows by source id.
    pub ids: HashMap<u64, SeenRow>,
    /// Rows by the skeleton of the login; their data is the key of the login.
    pub logins: HashMap<u64, SeenRow>,
    /// Rows by stored person.
    pub people: HashMap<u64, SeenRow>,
    /// What the rows of new people state, by the key of the login.
    pub new: HashMap<u64, u32>,
    /// Keys of logins that a row before changed to others.
    pub freed: HashSet<u64>,
    pub memberships: HashSet<u64>,
    pub ended: HashSet<u64>,
    /// Source ids and stored people of rows with an error.
    pub bad_ids: HashSet<u64>,
    pub bad_people: HashSet<u64>,
    /// Source ids of people without an account, and of classes that are over.
    pub skipped: HashSet<u64>,
    pub skipped_classes: HashSet<u64>,
}

pub(super) fn hash(text: &str) -> u64 {
    let hash = blake3::hash(text.as_bytes());
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_le_bytes(bytes)
}

pub(super) fn person(id: UserId) -> u64 {
    let (high, low) = id.0.as_u64_pair();
    high ^ low.rotate_left(32)
}

pub(super) fn membership(person: &PersonRef, class: &ClassRef, role: MemberRole) -> u64 {
    let person = match person {
        PersonRef::Id(id) => format!("i{id}"),
        PersonRef::Source(id) => format!("s{id}"),
        PersonRef::Login(key) => format!("l{key}"),
    };
    let class = match class {
        ClassRef::Id(id) => format!("i{id}"),
        ClassRef::Source(id) => format!("s{id}"),
        ClassRef::Name(key) => format!("n{key}"),
    };
    hash(&format!("{person}\0{class}\0{role:?}"))
}

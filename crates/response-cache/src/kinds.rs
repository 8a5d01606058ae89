//! The kinds of replies, and how long each may be used.

/// A kind of reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReplyKind {
    Course,
    CourseMeta,
    List,
    Story,
    Assessment,
    Progress,
    Profile,
    Analytics,
}

/// How replies of a kind are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindRule {
    pub kind: ReplyKind,
    /// Name in figures.
    pub name: &'static str,
    /// Maximum time for which a reply is used, in seconds. A write makes it unreachable earlier.
    pub ttl_s: u32,
    /// False: the reply costs less than a command of Redis.
    pub in_redis: bool,
    pub replies: &'static str,
}

/// The rules of all kinds, in their order. docs/OPERATIONS.md contains this table.
pub const RULES: [KindRule; 8] = [
    KindRule {
        kind: ReplyKind::Course,
        name: "course",
        ttl_s: 3_600,
        in_redis: true,
        replies: "content and manifest of a course",
    },
    KindRule {
        kind: ReplyKind::CourseMeta,
        name: "course-meta",
        ttl_s: 1_800,
        in_redis: true,
        replies: "a course with its outline",
    },
    KindRule {
        kind: ReplyKind::List,
        name: "list",
        ttl_s: 600,
        in_redis: true,
        replies: "lists of courses and stories, searches",
    },
    KindRule {
        kind: ReplyKind::Story,
        name: "story",
        ttl_s: 7_200,
        in_redis: true,
        replies: "a story, its manifest and its exercises",
    },
    KindRule {
        kind: ReplyKind::Assessment,
        name: "assessment",
        ttl_s: 1_800,
        in_redis: true,
        replies: "an assessment, and a learner's results",
    },
    KindRule {
        kind: ReplyKind::Progress,
        name: "progress",
        ttl_s: 300,
        in_redis: true,
        replies: "a learner's courses, progress, dashboard and words",
    },
    KindRule {
        kind: ReplyKind::Profile,
        name: "profile",
        ttl_s: 300,
        in_redis: false,
        replies: "the profile of the signed-in person",
    },
    KindRule {
        kind: ReplyKind::Analytics,
        name: "analytics",
        ttl_s: 300,
        in_redis: true,
        replies: "totals of a learner's study",
    },
];

/// The longest time of all kinds, in seconds.
pub(crate) const MAX_TTL_S: u64 = 7_200;

impl ReplyKind {
    pub fn rule(self) -> &'static KindRule {
        &RULES[self as usize]
    }
    pub(crate) fn ttl_ms(self) -> i64 {
        i64::from(self.rule().ttl_s) * 1_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_rule() {
        for (index, rule) in RULES.iter().enumerate() {
            assert_eq!((rule.kind as usize, rule.kind.rule()), (index, rule));
        }
        assert_eq!(RULES.iter().map(|rule| u64::from(rule.ttl_s)).max(), Some(MAX_TTL_S));
    }

    #[test]
    fn the_docs_contain_this_table() {
        let docs = include_str!("../../../docs/OPERATIONS.md");
        for KindRule { name, ttl_s, in_redis, replies, .. } in RULES {
            let tiers = if in_redis { "memory, Redis" } else { "memory" };
            let row = format!("| `{name}` | {replies} | {ttl_s} | {tiers} |");
            assert!(docs.contains(&row), "docs/OPERATIONS.md lacks the row {row}");
        }
    }
}

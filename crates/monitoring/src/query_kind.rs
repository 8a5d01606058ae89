//! What a transaction is for. Slow ones are reported by kind, because they have different causes and limits.

/// Purpose of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QueryKind {
    /// Catalogue, search, courses, enrolment, answers and rows of learners.
    Educational,
    /// Figures and exports for staff.
    Analytics,
    /// Accounts, sign-ins, people, classes, mail.
    User,
    /// Jobs, checks, backups, the state of the server.
    System,
}

impl QueryKind {
    /// Returns the value of the label `kind`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Educational => "educational",
            Self::Analytics => "analytics",
            Self::User => "user",
            Self::System => "system",
        }
    }

    /// Returns the kind of a transaction by its name, such as `accounts.sign_in`.
    pub fn of(name: &str) -> Self {
        let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
        if has(&[
            "analytic",
            "report",
            "export",
            "figure",
            "engagement",
            "trend",
            "roll_up",
            "rollup",
        ]) {
            Self::Analytics
        } else if has(&[
            "job",
            "health",
            "check",
            "maintenance",
            "fact",
            "epoch",
            "lease",
            "backup",
            "blob",
            "index",
        ]) {
            Self::System
        } else if has(&[
            "account", "sign_in", "session", "token", "code", "people", "person", "roster",
            "class", "mail", "password", "external", "audit", "register", "login", "user",
        ]) {
            Self::User
        } else {
            Self::Educational
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_transaction_tells_its_kind() {
        for (name, kind) in [
            ("push", QueryKind::Educational),
            ("search", QueryKind::Educational),
            ("list_people", QueryKind::User),
            ("sign_in", QueryKind::User),
            ("class_report", QueryKind::Analytics),
            ("lease_due_job", QueryKind::System),
        ] {
            assert_eq!(QueryKind::of(name), kind, "{name}");
        }
    }
}

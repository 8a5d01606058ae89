//! Selects the stored response for a request by the request fields listed in `Vary` (RFC 9111, 4.1).
//!
//! The cache sends the same fields with every request, and every token of an account belongs to the same learner.
//! Requests therefore differ only by account. Its id replaces the values of `Authorization` and `Cookie`, which are
//! added below the cache.

/// The account that a cache belongs to.
#[derive(Debug, Clone)]
pub(super) struct Account(pub String);

impl Account {
    /// Returns the value to compare for the request field `name` (lower case).
    fn value(&self, name: &str) -> &str {
        match name {
            "authorization" | "cookie" => &self.0,
            _ => "",
        }
    }

    /// Returns `name: value` lines of the request fields listed in `vary`.
    pub fn selecting(&self, vary: &str) -> String {
        let mut names: Vec<String> = vary
            .split(',')
            .map(|n| n.trim().to_ascii_lowercase())
            .filter(|n| !n.is_empty())
            .collect();
        names.sort();
        names.dedup();
        names.iter().map(|n| format!("{n}: {}\n", self.value(n))).collect()
    }

    /// Returns true if a response stored under `selecting` matches a request of this account.
    pub fn matches(&self, selecting: &str) -> bool {
        selecting.lines().all(|line| {
            line.split_once(": ").is_some_and(|(name, value)| self.value(name) == value)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_responses_are_matched_by_the_fields_of_vary() {
        let asha = Account("asha".into());
        let stored = asha.selecting("Accept-Language, authorization,accept-encoding");
        assert_eq!(stored, "accept-encoding: \naccept-language: \nauthorization: asha\n");
        assert!(asha.matches(&stored));
        let noor = Account("noor".into());
        assert!(!noor.matches(&stored), "another learner");
        assert!(noor.matches(""), "a response without Vary matches every request");
    }
}

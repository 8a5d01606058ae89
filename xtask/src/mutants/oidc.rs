//! Mutants of the sign-in with an identity provider.

use super::Mutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "an ID token of another sign-in is accepted",
        file: "crates/oidc/src/token.rs",
        good: "    if text(\"nonce\")? != expected.nonce {",
        bad: "    if text(\"nonce\")?.is_empty() {",
        tests: api!("each_hostile_reply_ends_with_a_page_in_words_and_no_account"),
    },
    Mutant {
        name: "an ID token for another client is accepted",
        file: "crates/oidc/src/token.rs",
        good: "    if !audiences.contains(&expected.client_id) {",
        bad: "    if audiences.is_empty() {",
        tests: api!("each_hostile_reply_ends_with_a_page_in_words_and_no_account"),
    },
    Mutant {
        name: "a token with several audiences needs no azp",
        file: "crates/oidc/src/token.rs",
        good: "        None if audiences.len() > 1 =>",
        bad: "        None if audiences.is_empty() =>",
        tests: api!("each_hostile_reply_ends_with_a_page_in_words_and_no_account"),
    },
    Mutant {
        name: "redirects of the provider are followed",
        file: "crates/oidc/src/web.rs",
        good: ".redirect(Policy::none())",
        bad: ".redirect(Policy::default())",
        tests: api!("metadata_that_cannot_be_used_sends_the_browser_nowhere"),
    },
    Mutant {
        name: "endpoints on any host are contacted",
        file: "crates/oidc/src/web.rs",
        good: "        let is_issuer = url.origin() == self.issuer.origin();",
        bad: "        let is_issuer = url.has_host();",
        tests: api!("metadata_that_cannot_be_used_sends_the_browser_nowhere"),
    },
    Mutant {
        name: "a code of another app is accepted",
        file: "crates/domain/src/external.rs",
        good: "code.challenge == challenge && code.device == device;",
        bad: "!challenge.is_empty() && code.device == device;",
        tests: api!("a_code_is_for_the_app_that_began_and_for_one_use"),
    },
    Mutant {
        name: "a code of another device is accepted",
        file: "crates/domain/src/external.rs",
        good: "code.challenge == challenge && code.device == device;",
        bad: "code.challenge == challenge && device.0 != code.user.0;",
        tests: api!("a_code_is_for_the_app_that_began_and_for_one_use"),
    },
    Mutant {
        name: "another browser finishes a sign-in",
        file: "crates/domain/src/external.rs",
        good: "        let valid = found.filter(|flow| flow.expires_ms > now_ms && is_same(flow));",
        bad: "        let valid = found.filter(|flow| flow.expires_ms > now_ms || is_same(flow));",
        tests: api!("each_hostile_reply_ends_with_a_page_in_words_and_no_account"),
    },
    Mutant {
        name: "groups take the rank of an operator",
        file: "crates/domain/src/external.rs",
        good: "    if before.rank == Rank::Operator || rank == Rank::Operator {",
        bad: "    if rank == Rank::Operator {",
        tests: api!("groups_give_the_rank_at_each_sign_in_but_never_that_of_an_operator"),
    },
    Mutant {
        name: "a second person is linked by the same source id",
        file: "crates/domain/src/external.rs",
        good: "links.iter().any(|link| link.issuer == person.issuer)",
        bad: "links.iter().any(|link| link.subject == person.subject)",
        tests: api!("a_roster_links_people_by_their_source_id_if_configured"),
    },
];

//! The command that lists the organisation's policies.
//!
//! Not here: applying them (`carrel_client`).

use carrel_client::carrel_policy::SignInMethod as Method;

use super::Result;
use crate::{
    api::{
        app::Empty,
        policies::{PolicyEntry, PolicyList, SignInMethod},
    },
    host::Host,
};

/// All ways to start, as in a policy and for the UI.
const METHODS: [(Method, SignInMethod); 4] = [
    (Method::Password, SignInMethod::Password),
    (Method::Provider, SignInMethod::Provider),
    (Method::Registration, SignInMethod::Registration),
    (Method::Guest, SignInMethod::Guest),
];

pub async fn get_policies(host: &dyn Host, _: Empty) -> Result<PolicyList> {
    let loaded = host.client().policies();
    let (policies, report) = (&loaded.policies, &loaded.report);
    let entries = report.entries.iter().map(|entry| PolicyEntry {
        key: entry.key.to_owned(),
        value: entry.text.clone(),
        locked: entry.locked,
        source: entry.source.clone(),
    });
    let problems = report.problems.iter().map(ToString::to_string);
    let problems = problems.chain(host.client().content_folder_problem());
    let allowed = METHODS.iter().filter(|(method, _)| policies.allows_sign_in(*method));
    Ok(PolicyList {
        entries: entries.collect(),
        problems: problems.collect(),
        server_address: policies.server_address.clone(),
        server_address_locked: policies.server_address_locked,
        sign_in_methods: allowed.map(|(_, method)| *method).collect(),
        import_courses: policies.import_courses,
        import_work: policies.import_work,
        kiosk: policies.kiosk_mode,
    })
}

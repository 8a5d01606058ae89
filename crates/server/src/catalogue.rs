//! Replies of the catalogue that an exported library contains as well.

use carrel_model::wire::{MIN_SYNC_VERSION, Meta, SYNC_VERSION};

use crate::{
    data_dir::DataDir,
    domain::DomainResult,
    signing::hex,
    store::{Listed, ListedPublication},
};

/// Returns the metadata of the server, without a proof of its identity.
pub(crate) async fn meta(data: &DataDir) -> DomainResult<Meta> {
    let settings = &data.config.settings;
    Ok(Meta {
        name: settings.name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        epoch: data.store.epoch().await?,
        server_id: data.store.server_id().await?,
        identity_proof: None,
        sync_versions: (MIN_SYNC_VERSION..=SYNC_VERSION).collect(),
        signing_key: hex(&data.signer.public_key()),
        registration_open: settings.registration_open,
        external_sign_in: settings.oidc.as_ref().map(|oidc| oidc.button.clone()),
        password_reset: data.mailer.is_some(),
        now_ms: data.config.clock.now_ms(),
    })
}

/// Joins the summaries, which are JSON texts, to a page without parsing them.
pub(crate) fn page_json(found: &Listed<ListedPublication>, page: u32, page_size: u32) -> String {
    let items: Vec<&str> = found.items.iter().map(|p| p.summary.as_str()).collect();
    format!(
        "{{\"items\":[{}],\"page\":{page},\"pageSize\":{page_size},\"total\":{}}}",
        items.join(","),
        found.total
    )
}

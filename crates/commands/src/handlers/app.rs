//! Commands of the app: state at start, accounts, sign-in, addresses.
//!
//! Not here: settings (`settings`).

use carrel_client::{
    BrowserSignInOptions, Error, KeptWork as ClientKeptWork, OpenFailure as ClientOpenFailure,
    account::AccountInfo, learning::store::Repair, net::ProxyCredentials, system::blocking,
};
use carrel_model::lattice::{RowKey, RowType};

use super::{Result, settings::settings_of, sync::status_view};
use crate::{
    api::{
        app::{
            Account, AccountRef, AccountRemoval, AppState, BeginBrowserSignIn, CheckServer, Empty,
            FinishBrowserSignIn, KeptWork, KeptWorkCode, MoveServer, OpenFailure, OpenUrl,
            Register, RemoveAccount, RepairReport, RequestPasswordReset, ServerInfo, SetPin,
            SetProxyLogin, SignIn, SwitchAccount, UnsyncedCount,
        },
        bundle::ImportedWork,
        error::CommandError,
        settings::Settings,
        sync::{SyncPhase, SyncStatus},
    },
    host::{Host, account},
};

/// Registers texts that name a person, so that no log line contains them.
fn redact_names<'n>(host: &dyn Host, names: impl IntoIterator<Item = &'n str>) {
    if let Some(diagnostics) = host.diagnostics() {
        names.into_iter().for_each(|name| diagnostics.redactor.add_person(name));
    }
}

pub async fn get_app_state(host: &dyn Host, _: Empty) -> Result<AppState> {
    let client = host.client();
    for account in client.accounts().all() {
        redact_names(host, [account.user.name.as_str(), &account.user.login]);
    }
    let (settings, sync) = match client.account() {
        Some(open) => (
            settings_of(client, &open).await?,
            status_view(&open.sync.status().await?, open.network_cause()),
        ),
        None => (Settings::default(), status_without_account()),
    };
    let store = client.account().map(|open| open.store.clone());
    let repair = match store.clone() {
        Some(store) => blocking(move || Ok::<_, Error>(store.last_repair())).await?,
        None => None,
    };
    Ok(AppState {
        kept_work: client.kept_work().into_iter().map(kept_view).collect(),
        enrolment_refused: None,
        has_claimable_work: client.has_claimable_work().await,
        open_failure: client.open_failure().map(failure_view),
        read_only: store.and_then(|store| store.read_only()).map(|e| e.code()),
        repair: repair.map(repair_view),
        version: client.config().app_version.clone(),
        account: client.account_info().map(view),
        accounts: client.accounts().all().into_iter().map(view).collect(),
        settings,
        sync,
        media_base: client.media_base(),
        image_base: client.media_base(),
        demo_available: client.demo_available(),
        keychain_fallback: client.keychain_fallback().await,
    })
}

fn failure_view(failure: ClientOpenFailure) -> OpenFailure {
    OpenFailure {
        account: view(failure.account),
        code: failure.error.code(),
        message: failure.error.to_string(),
    }
}

fn repair_view(repair: Repair) -> RepairReport {
    let name =
        |key: &RowKey| format!("{} {}", key.row_type.as_str(), key.key.replace('\u{1f}', " "));
    RepairReport {
        at_ms: repair.at_ms,
        lost: repair.lost.iter().map(name).collect(),
        unreadable: u32::try_from(repair.unreadable).unwrap_or(u32::MAX),
        unknown_since_ms: repair.unknown_since_ms,
    }
}

fn kept_view(kept: ClientKeptWork) -> KeptWork {
    KeptWork { code: kept.code, rows: kept.rows, learner: kept.learner }
}

/// Forgets the code of kept work after the learner has noted it.
pub async fn forget_kept_work(host: &dyn Host, request: KeptWorkCode) -> Result<AppState> {
    host.client().forget_kept_work(&request.code).await?;
    get_app_state(host, Empty {}).await
}

/// Merges kept work with that of the open account.
pub async fn claim_work(host: &dyn Host, request: KeptWorkCode) -> Result<ImportedWork> {
    let imported = host.client().claim_work(&request.code).await?;
    Ok(ImportedWork {
        rows: imported.rows,
        changed: imported.changed,
        unreadable: imported.unreadable,
    })
}

/// Deletes the report of a repair after the learner has read it.
pub async fn forget_repair(host: &dyn Host, _: Empty) -> Result<AppState> {
    let store = account(host)?.store.clone();
    blocking(move || Ok::<_, Error>(store.forget_repair()?)).await?;
    get_app_state(host, Empty {}).await
}

fn view(info: AccountInfo) -> Account {
    Account {
        needs_sign_in: info.needs_sign_in || info.signed_out,
        signed_out: info.signed_out,
        has_pin: info.pin.is_some(),
        id: info.id,
        server: info.server.unwrap_or_default(),
        server_name: info.server_name,
        user: info.user,
    }
}

/// Returns the sync status while no account is open.
fn status_without_account() -> SyncStatus {
    SyncStatus {
        phase: SyncPhase::Local,
        since_ms: 0,
        waiting: 0,
        refused: 0,
        last_ok_ms: None,
        next_try_ms: None,
        error: None,
        network: None,
    }
}

pub async fn check_server(host: &dyn Host, request: CheckServer) -> Result<ServerInfo> {
    let client = host.client();
    let server = client.check_server(&request.address).await?;
    Ok(ServerInfo {
        registration_open: server.meta.registration_open
            || client.has_enrolment_token(&server.address),
        address: server.address,
        name: server.meta.name,
        external_sign_in: server.meta.external_sign_in,
        password_reset: server.meta.password_reset,
        version: server.meta.version,
        clock_ahead_ms: server.clock_ahead_ms,
    })
}

pub async fn sign_in(host: &dyn Host, request: SignIn) -> Result<AppState> {
    let SignIn { address, login, password, removes_pin, enrolment_token } = request;
    redact_names(host, [login.as_str()]);
    let client = host.client();
    let enrolment_refused = if removes_pin == Some(true) {
        client.sign_in_without_pin(&address, &login, &password).await?;
        None
    } else {
        let token = enrolment_token.as_deref();
        client.sign_in_with_token(&address, &login, &password, token).await?.1
    };
    Ok(AppState { enrolment_refused, ..get_app_state(host, Empty {}).await? })
}

pub async fn begin_browser_sign_in(
    host: &dyn Host,
    request: BeginBrowserSignIn,
) -> Result<OpenUrl> {
    let BeginBrowserSignIn { address, removes_pin, enrolment_token } = request;
    let options =
        BrowserSignInOptions { removes_pin: removes_pin == Some(true), token: enrolment_token };
    let url = host.client().begin_browser_sign_in(&address, options).await?;
    if let Err(e) = host.open_url(&url) {
        // The UI shows the address, which can be opened in another way.
        tracing::warn!(error = ?e, "the browser could not be opened");
    }
    Ok(OpenUrl { url })
}

pub async fn finish_browser_sign_in(
    host: &dyn Host,
    request: FinishBrowserSignIn,
) -> Result<AppState> {
    let enrolment_refused = host.client().finish_browser_sign_in(&request.code).await?.1;
    Ok(AppState { enrolment_refused, ..get_app_state(host, Empty {}).await? })
}

pub async fn cancel_browser_sign_in(host: &dyn Host, _: Empty) -> Result<Empty> {
    host.client().cancel_browser_sign_in();
    Ok(Empty {})
}

pub async fn request_password_reset(
    host: &dyn Host,
    request: RequestPasswordReset,
) -> Result<Empty> {
    let RequestPasswordReset { address, login, language } = request;
    redact_names(host, [login.as_str()]);
    host.client().request_password_reset(&address, &login, &language).await?;
    Ok(Empty {})
}

pub async fn register(host: &dyn Host, request: Register) -> Result<AppState> {
    let Register { address, login, name, password, enrolment_token } = request;
    redact_names(host, [login.as_str(), &name]);
    let token = enrolment_token.as_deref();
    host.client().register_with_token(&address, &login, &name, &password, token).await?;
    get_app_state(host, Empty {}).await
}

pub async fn move_server(host: &dyn Host, request: MoveServer) -> Result<AppState> {
    host.client().move_server(&request.address).await?;
    get_app_state(host, Empty {}).await
}

pub async fn open_demo(host: &dyn Host, _: Empty) -> Result<AppState> {
    host.client().open_demo().await?;
    get_app_state(host, Empty {}).await
}

pub async fn switch_account(host: &dyn Host, request: SwitchAccount) -> Result<AppState> {
    host.client().unlock(&request.account, request.pin.as_deref()).await?;
    get_app_state(host, Empty {}).await
}

pub async fn sign_out(host: &dyn Host, request: AccountRef) -> Result<AppState> {
    host.client().sign_out_of(&request.account).await?;
    get_app_state(host, Empty {}).await
}

pub async fn leave_account(host: &dyn Host, _: Empty) -> Result<AppState> {
    host.client().leave().await?;
    get_app_state(host, Empty {}).await
}

pub async fn set_pin(host: &dyn Host, request: SetPin) -> Result<AppState> {
    host.client().set_pin(request.current.as_deref(), request.pin.as_deref()).await?;
    get_app_state(host, Empty {}).await
}

pub async fn set_proxy_login(host: &dyn Host, request: SetProxyLogin) -> Result<Empty> {
    let SetProxyLogin { login, password } = request;
    let login = login.map(|login| ProxyCredentials { login, password });
    host.client().set_proxy_login(login).await?;
    Ok(Empty {})
}

pub async fn check_account_removal(host: &dyn Host, request: AccountRef) -> Result<AccountRemoval> {
    let unsynced = host.client().unsynced(&request.account).await?;
    let count = |&(row_type, count): &(RowType, u32)| UnsyncedCount { row_type, count };
    Ok(AccountRemoval {
        total: unsynced.total(),
        unsynced: unsynced.by_type.iter().map(count).collect(),
        is_known: unsynced.is_known,
    })
}

pub async fn remove_account(host: &dyn Host, request: RemoveAccount) -> Result<AppState> {
    let RemoveAccount { account, pin, unsynced } = request;
    host.client().remove_account(&account, pin.as_deref(), unsynced).await?;
    get_app_state(host, Empty {}).await
}

pub async fn erase_guest_work(host: &dyn Host, _: Empty) -> Result<AppState> {
    host.client().erase_guest_work().await?;
    get_app_state(host, Empty {}).await
}

pub async fn open_url(host: &dyn Host, request: OpenUrl) -> Result<Empty> {
    if !is_openable(&request.url) {
        let message = "only http, https and mailto addresses can be opened";
        return Err(CommandError::invalid(message));
    }
    host.open_url(&request.url)?;
    Ok(Empty {})
}

/// Returns true for a web page and for an e-mail to one address. A mailto link with attachments, copies or headers is
/// refused.
fn is_openable(url: &str) -> bool {
    let lower = url.to_ascii_lowercase();
    if let Some(address) = lower.strip_prefix("mailto:") {
        let plain = |c: char| c.is_alphanumeric() || "@.+-_'%".contains(c);
        return address
            .split_once('@')
            .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty())
            && address.chars().all(plain);
    }
    let page = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://"));
    page.is_some_and(|rest| !rest.is_empty())
        && !url.chars().any(|c| c.is_control() || c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::is_openable;

    #[test]
    fn only_web_pages_and_plain_mail_addresses_are_opened() {
        for url in
            ["https://example.org/a?b#c", "HTTP://example.org", "mailto:amina@school.example"]
        {
            assert!(is_openable(url), "{url}");
        }
        for url in [
            "",
            "https://",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "mailto:",
            "mailto:@",
            "mailto:a@b.example?attach=/etc/passwd",
            "mailto:a@b.example\r\nBcc: c@d.example",
            "https://example.org/\nx",
            "carrel://x",
        ] {
            assert!(!is_openable(url), "{url}");
        }
    }
}

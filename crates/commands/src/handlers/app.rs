use carrel_core::account::AccountInfo;

use super::{Result, settings::settings_of, sync::status_view};
use crate::{
    api::{
        app::{
            Account, AccountRef, AppState, CheckServer, Empty, MoveServer, OpenUrl, Register,
            ServerInfo, SignIn,
        },
        error::CommandError,
        settings::Settings,
        sync::{SyncPhase, SyncStatus},
    },
    host::Host,
};

pub async fn get_app_state(host: &dyn Host, _: Empty) -> Result<AppState> {
    let core = host.core();
    let (settings, sync) = match core.account() {
        Some(open) => (settings_of(&open).await?, status_view(&open.sync.status().await?)),
        None => (Settings::default(), nobody()),
    };
    Ok(AppState {
        version: core.config().app_version.clone(),
        account: core.account_info().map(view),
        accounts: core.accounts().all().into_iter().map(view).collect(),
        settings,
        sync,
        media_base: core.media_base(),
        image_base: core.media_base(),
        demo_available: core.demo_available(),
        keychain_fallback: core.keychain_fallback().await,
    })
}

fn view(info: AccountInfo) -> Account {
    Account {
        needs_sign_in: info.needs_sign_in || info.signed_out,
        id: info.id,
        server: info.server.unwrap_or_default(),
        server_name: info.server_name,
        user: info.user,
    }
}

/// Sync, while no account is open.
fn nobody() -> SyncStatus {
    SyncStatus {
        phase: SyncPhase::Local,
        since_ms: 0,
        waiting: 0,
        refused: 0,
        last_ok_ms: None,
        next_try_ms: None,
        error: None,
    }
}

pub async fn check_server(host: &dyn Host, request: CheckServer) -> Result<ServerInfo> {
    let found = host.core().check_server(&request.address).await?;
    Ok(ServerInfo {
        address: found.address,
        name: found.meta.name,
        version: found.meta.version,
        registration_open: found.meta.registration_open,
        clock_ahead_ms: found.clock_ahead_ms,
    })
}

pub async fn sign_in(host: &dyn Host, request: SignIn) -> Result<AppState> {
    host.core().sign_in(&request.address, &request.login, &request.password).await?;
    get_app_state(host, Empty {}).await
}

pub async fn register(host: &dyn Host, request: Register) -> Result<AppState> {
    let Register { address, login, name, password } = request;
    host.core().register(&address, &login, &name, &password).await?;
    get_app_state(host, Empty {}).await
}

pub async fn move_server(host: &dyn Host, request: MoveServer) -> Result<AppState> {
    host.core().move_server(&request.address).await?;
    get_app_state(host, Empty {}).await
}

pub async fn open_demo(host: &dyn Host, _: Empty) -> Result<AppState> {
    host.core().open_demo().await?;
    get_app_state(host, Empty {}).await
}

pub async fn switch_account(host: &dyn Host, request: AccountRef) -> Result<AppState> {
    host.core().switch(&request.account).await?;
    get_app_state(host, Empty {}).await
}

pub async fn sign_out(host: &dyn Host, request: AccountRef) -> Result<AppState> {
    if host.core().account().is_some_and(|open| open.id() != request.account) {
        return Err(CommandError::invalid("only the account that is open can sign out"));
    }
    host.core().sign_out().await?;
    get_app_state(host, Empty {}).await
}

pub async fn open_url(host: &dyn Host, request: OpenUrl) -> Result<Empty> {
    let is_web = request.url.starts_with("https://") || request.url.starts_with("http://");
    if !is_web {
        return Err(CommandError::invalid("only http and https addresses are opened"));
    }
    host.open_url(&request.url)?;
    Ok(Empty {})
}

//! The accounts of this device, stored in `accounts.json`. Each change rewrites the whole file (temporary file, fsync,
//! rename).
//!
//! Each account's folder contains a copy of its entry. A damaged list is rebuilt from these copies.
//!
//! Not here: tokens (`secrets`), and the data of an account (`open_account`).

use std::{
    fs,
    path::{Path, PathBuf},
};

use carrel_model::{
    DeviceId, UserId,
    wire::{Role, UserInfo},
};
use carrel_system::{
    Clock, IdGen, assert_may_block,
    files::{SMALL_RESERVE, remove_folder, write_atomic},
};
use parking_lot::{Mutex, MutexGuard};
use serde::{Deserialize, Serialize};

use crate::{
    Error, PinError, Result,
    account::{Identity, pin::Pin},
};

const LIST_FILE: &str = "accounts.json";
const ACCOUNTS_DIR: &str = "accounts";
const ENTRY_FILE: &str = "account.json";
/// Suffix of the folder of an account that is being removed.
const REMOVED: &str = ".removed";
const DEMO: &str = "demo";

/// The identity of this installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    pub id: DeviceId,
    /// Display name, for example "Asha's laptop".
    pub name: String,
}

/// One learner on one server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountInfo {
    /// Also the name of the account's folder. Stays the same when the server's address changes.
    pub id: String,
    /// Base address of the server, without a trailing slash; none for the account without a server.
    pub server: Option<String>,
    pub server_name: String,
    /// The server's id. This and `server_key` are empty until the server has proved its identity, and if it has none.
    #[serde(default)]
    pub server_id: String,
    #[serde(default)]
    pub server_key: String,
    pub user: UserInfo,
    /// The session ended without a sign-out. The account stays usable; unsent changes are kept until the next sign-in.
    #[serde(default)]
    pub needs_sign_in: bool,
    /// The learner signed out. The data is kept and cannot be opened until they sign in again.
    #[serde(default)]
    pub signed_out: bool,
    /// The account certificate, opaque to the client; empty if there is none. Kept after a sign-out: with it a server
    /// that was restored from an older backup creates the account again.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub certificate: String,
    /// Required to open the account on this device; none: no PIN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<Pin>,
}

impl AccountInfo {
    /// Creates the entry of a learner who signed in.
    pub fn of(server: &str, server_name: &str, user: UserInfo) -> Self {
        let hash = carrel_model::BlobHash::of(format!("{server}\n{}", user.id).as_bytes()).to_hex();
        Self {
            id: hash[..20].to_owned(),
            server: Some(server.to_owned()),
            server_name: server_name.to_owned(),
            server_id: String::new(),
            server_key: String::new(),
            user,
            needs_sign_in: false,
            signed_out: false,
            certificate: String::new(),
            pin: None,
        }
    }
    /// Adds the identity that the server proved, and derives the account's id from it. The id depends on the key, so
    /// that a server with a copied server id gets a different account.
    fn with_identity(mut self, identity: &Identity) -> Self {
        let Identity { server_id, key } = identity;
        let text = format!("server\n{server_id}\n{key}\n{}", self.user.id);
        self.id = carrel_model::BlobHash::of(text.as_bytes()).to_hex()[..20].to_owned();
        (self.server_id, self.server_key) = (server_id.clone(), key.clone());
        self
    }
    /// Returns the identity that the server proved, if any.
    pub fn identity(&self) -> Option<Identity> {
        let known = !self.server_id.is_empty();
        known.then(|| Identity { server_id: self.server_id.clone(), key: self.server_key.clone() })
    }
    /// Creates the entry of the account without a server.
    pub fn demo(name: &str) -> Self {
        let user = UserInfo {
            id: UserId::from_u128(0),
            login: DEMO.into(),
            name: String::new(),
            role: Role::Student,
        };
        Self {
            id: DEMO.into(),
            server: None,
            server_name: name.to_owned(),
            server_id: String::new(),
            server_key: String::new(),
            user,
            needs_sign_in: false,
            signed_out: false,
            certificate: String::new(),
            pin: None,
        }
    }
    pub fn is_demo(&self) -> bool {
        self.server.is_none()
    }
    fn is_valid(&self) -> bool {
        // The id is used as a folder name.
        !self.id.is_empty()
            && self.id.len() <= 40
            && self.id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct AccountList {
    version: u32,
    device: Device,
    active: Option<String>,
    accounts: Vec<AccountInfo>,
}

/// The list of accounts. A change is on disk when the method returns.
pub struct Accounts {
    dir: PathBuf,
    list: Mutex<AccountList>,
}

impl Accounts {
    /// Reads the list in `dir`, or creates one. A damaged list is renamed and rebuilt from the accounts' folders.
    pub fn open(dir: &Path, device_name: &str, clock: &dyn Clock, ids: &dyn IdGen) -> Result<Self> {
        if let Err(e) = fs::create_dir_all(dir.join(ACCOUNTS_DIR)) {
            tracing::warn!(error = %e, "the folder of accounts could not be created");
        }
        let path = dir.join(LIST_FILE);
        let new_device =
            || Device { id: DeviceId(ids.uuid_v7(clock.now_ms())), name: device_name.to_owned() };
        let list = match fs::read(&path) {
            Ok(bytes) => match serde_json::from_slice::<AccountList>(&bytes) {
                Ok(list) if list.version > 1 => {
                    let hint = "hint: update Carrel; the file was not changed";
                    return Err(Error::newer(format!(
                        "{} was written by a newer version of Carrel; {hint}",
                        path.display()
                    )));
                }
                Ok(mut list) => {
                    list.accounts.retain(AccountInfo::is_valid);
                    list
                }
                Err(e) => {
                    tracing::error!(error = %e, "the list of accounts is corrupt; rebuilding it from the folders");
                    let damaged_path =
                        dir.join(format!("accounts.damaged-{}.json", clock.now_ms()));
                    if let Err(e) = fs::rename(&path, damaged_path) {
                        // The list is not written below either, so the next start reads the damaged file again.
                        tracing::warn!(error = %e, "the corrupt list of accounts could not be renamed");
                    }
                    AccountList {
                        version: 1,
                        device: new_device(),
                        active: None,
                        accounts: from_folders(dir),
                    }
                }
            },
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => AccountList {
                version: 1,
                device: new_device(),
                active: None,
                accounts: from_folders(dir),
            },
            Err(e) => return Err(e.into()),
        };
        let accounts = Self { dir: dir.to_owned(), list: Mutex::new(list) };
        // A full or read-only disk must not prevent the start; the next change writes the list.
        if !path.exists()
            && let Err(e) = accounts.change(|_| Ok(()))
        {
            tracing::warn!(error = %e, "the list of accounts could not be written");
        }
        accounts.finish_removals();
        SMALL_RESERVE.fill(dir);
        Ok(accounts)
    }

    pub fn device(&self) -> Device {
        self.list().device.clone()
    }
    pub fn all(&self) -> Vec<AccountInfo> {
        self.list().accounts.clone()
    }
    pub fn get(&self, id: &str) -> Option<AccountInfo> {
        self.list().accounts.iter().find(|a| a.id == id).cloned()
    }
    /// Returns the account that was open last.
    pub fn active(&self) -> Option<AccountInfo> {
        let list = self.list();
        let id = list.active.as_deref()?;
        list.accounts.iter().find(|a| a.id == id).cloned()
    }
    /// Returns the folder of an account's files.
    pub fn folder(&self, id: &str) -> PathBuf {
        self.dir.join(ACCOUNTS_DIR).join(id)
    }

    /// Returns the entry of `user`, who signed in at `server`: that of a stored account, or a new one. A stored account
    /// is found by the identity that its server proved, at any address; else by its address, unless a different server
    /// now has that address.
    pub fn match_or_create(
        &self,
        server: &str,
        server_name: &str,
        user: UserInfo,
        identity: Option<&Identity>,
    ) -> AccountInfo {
        let new = AccountInfo::of(server, server_name, user);
        let list = self.list();
        let of_user = || list.accounts.iter().filter(|a| a.user.id == new.user.id && !a.is_demo());
        let by_identity = identity
            .and_then(|identity| of_user().find(|a| a.identity().as_ref() == Some(identity)));
        let by_address = of_user().find(|a| {
            let other = a.identity();
            a.server.as_deref() == Some(server)
                && (identity.is_none() || other.is_none() || other.as_ref() == identity)
        });
        match (by_identity.or(by_address), identity) {
            // The id is kept, because it is the folder's name.
            (Some(known), _) => AccountInfo {
                id: known.id.clone(),
                server_id: known.server_id.clone(),
                server_key: known.server_key.clone(),
                pin: known.pin.clone(),
                ..new
            },
            (None, Some(identity)) => new.with_identity(identity),
            (None, None) => new,
        }
    }
    /// Stores the identity that an account's server proved. An identity that is already stored is not replaced.
    pub fn store_identity(&self, id: &str, identity: &Identity) -> Result<()> {
        let Some(mut account) = self.get(id).filter(|a| a.identity().is_none()) else {
            return Ok(());
        };
        (account.server_id, account.server_key) =
            (identity.server_id.clone(), identity.key.clone());
        self.replace(&account)
    }

    /// Adds or replaces an account and makes it the active one.
    pub fn put(&self, account: &AccountInfo) -> Result<()> {
        self.replace(account)?;
        self.set_active(Some(&account.id))
    }
    fn replace(&self, account: &AccountInfo) -> Result<()> {
        self.change(|list| {
            match list.accounts.iter_mut().find(|a| a.id == account.id) {
                Some(known) => *known = account.clone(),
                None => list.accounts.push(account.clone()),
            }
            Ok(())
        })?;
        let (folder, entry) = (self.folder(&account.id), serde_json::to_vec_pretty(account)?);
        let copied = fs::create_dir_all(&folder).map_err(Error::from);
        if let Err(e) = copied.and_then(|()| Ok(write_atomic(&folder.join(ENTRY_FILE), &entry)?)) {
            // The list is already written; the copy is used only to rebuild a damaged list.
            tracing::warn!(error = %e, "the copy of an account's entry could not be written");
        }
        Ok(())
    }
    /// Sets the account that the next start opens; none: the next start shows the Welcome screen. Returns
    /// `Error::NotFound` for an unknown id.
    pub fn set_active(&self, id: Option<&str>) -> Result<()> {
        self.change(|list| {
            match id {
                Some(id) if !list.accounts.iter().any(|a| a.id == id) => {
                    return Err(Error::NotFound(format!("account {id}")));
                }
                _ => list.active = id.map(str::to_owned),
            }
            Ok(())
        })
    }
    /// Stores the user and certificate that the server returned with the last tokens. A user with another id is
    /// ignored. Returns true if anything changed.
    pub fn update_user(&self, id: &str, user: &UserInfo, certificate: &str) -> Result<bool> {
        let Some(mut account) = self.get(id) else { return Ok(false) };
        let before = account.clone();
        if account.user.id == user.id {
            account.user = user.clone();
            if !certificate.is_empty() {
                certificate.clone_into(&mut account.certificate);
            }
        }
        if account == before {
            return Ok(false);
        }
        self.change(|list| {
            if let Some(known) = list.accounts.iter_mut().find(|a| a.id == id) {
                // Not the whole entry: attempts at the PIN may have been counted since.
                known.user.clone_from(&account.user);
                known.certificate.clone_from(&account.certificate);
            }
            Ok(())
        })?;
        write_atomic(&self.folder(id).join(ENTRY_FILE), &serde_json::to_vec_pretty(&account)?)?;
        Ok(true)
    }
    /// Returns the certificate of the account with this login on this server; empty if there is none.
    pub fn certificate_of(&self, server: &str, login: &str) -> String {
        let key = |login: &str| login.trim().to_lowercase();
        let all = self.all().into_iter();
        all.filter(|a| a.server.as_deref() == Some(server) && key(&a.user.login) == key(login))
            .map(|a| a.certificate)
            .find(|c| !c.is_empty())
            .unwrap_or_default()
    }
    /// Stores whether an account's session has ended. A signed-out account is left unchanged. Returns true if anything
    /// changed.
    pub fn set_needs_sign_in(&self, id: &str, needs_sign_in: bool) -> Result<bool> {
        let is_affected =
            |a: &AccountInfo| a.id == id && !a.signed_out && a.needs_sign_in != needs_sign_in;
        if !self.list().accounts.iter().any(is_affected) {
            return Ok(false);
        }
        let mut has_changed = false;
        self.change(|list| {
            for account in list.accounts.iter_mut().filter(|a| is_affected(a)) {
                (account.needs_sign_in, has_changed) = (needs_sign_in, true);
            }
            Ok(())
        })?;
        Ok(has_changed)
    }
    /// Stores the session state of an account.
    pub fn set_session_state(&self, id: &str, needs_sign_in: bool, signed_out: bool) -> Result<()> {
        self.change(|list| {
            if let Some(account) = list.accounts.iter_mut().find(|a| a.id == id) {
                (account.needs_sign_in, account.signed_out) = (needs_sign_in, signed_out);
            }
            Ok(())
        })
    }

    /// Sets or removes the PIN of an account. Returns `Error::NotFound` for an unknown id.
    pub fn set_pin(&self, id: &str, pin: Option<Pin>) -> Result<()> {
        let mut account = self.get(id).ok_or_else(|| Error::NotFound(format!("account {id}")))?;
        account.pin = pin;
        self.replace(&account)
    }
    /// Checks the PIN of an account. Each attempt is stored before it is checked, so that a restart does not end the
    /// delay after wrong attempts. Blocking.
    ///
    /// # Errors
    ///
    /// A `PinError`. An account without a PIN accepts any.
    pub fn check_pin(&self, id: &str, text: Option<&str>, now_ms: i64) -> Result<()> {
        let Some(text) = text else {
            let has_pin = self.get(id).is_some_and(|a| a.pin.is_some());
            return if has_pin { Err(PinError::Required.into()) } else { Ok(()) };
        };
        let begun = self.change_pin(id, |pin| match pin.begin_attempt(now_ms) {
            Some(wait_ms) => Err(PinError::Wait { wait_ms }),
            None => Ok(pin.clone()),
        });
        let pin = match begun {
            None => return Ok(()),
            Some(begun) => begun?,
        };
        if !pin.is_correct(text) {
            return Err(PinError::Wrong { wait_ms: pin.delay_ms() }.into());
        }
        self.change_pin(id, Pin::accept);
        Ok(())
    }
    /// Changes the stored PIN of an account, if it has one. The change also holds in memory if it cannot be written: a
    /// full disk must neither lock out the learner nor permit more attempts.
    fn change_pin<T>(&self, id: &str, f: impl FnOnce(&mut Pin) -> T) -> Option<T> {
        assert_may_block();
        let mut list = self.list();
        let pin = list.accounts.iter_mut().find(|a| a.id == id)?.pin.as_mut()?;
        let result = f(pin);
        let written = serde_json::to_vec_pretty(&*list)
            .map_err(Error::from)
            .and_then(|bytes| Ok(write_atomic(&self.dir.join(LIST_FILE), &bytes)?));
        if let Err(e) = written {
            tracing::warn!(error = %e, "an attempt at a PIN could not be stored");
        }
        Some(result)
    }

    /// Removes an account and deletes its folder, which must not be in use. Blocking.
    pub fn remove(&self, id: &str) -> Result<()> {
        let (folder, removed) = (self.folder(id), self.removed_folder(id));
        let is_moved = folder.exists();
        if is_moved {
            // Renamed first: a removal that is interrupted is completed or undone at the next start.
            fs::rename(&folder, &removed)?;
        }
        let changed = self.change(|list| {
            list.accounts.retain(|a| a.id != id);
            list.active.take_if(|active| active == id);
            Ok(())
        });
        if let Err(e) = changed {
            if is_moved {
                fs::rename(&removed, &folder)?;
            }
            return Err(e);
        }
        if is_moved && let Err(e) = remove_folder(&removed) {
            tracing::warn!(error = %e, "the folder of a removed account could not be deleted; retrying at the next start");
        }
        Ok(())
    }
    fn removed_folder(&self, id: &str) -> PathBuf {
        self.dir.join(ACCOUNTS_DIR).join(format!("{id}{REMOVED}"))
    }
    /// Completes removals that were interrupted, and undoes those whose account is still in the list.
    fn finish_removals(&self) {
        let Ok(folders) = fs::read_dir(self.dir.join(ACCOUNTS_DIR)) else { return };
        for removed in folders.flatten().map(|folder| folder.path()) {
            let name = removed.file_name().and_then(|name| name.to_str());
            let Some(id) = name.and_then(|name| name.strip_suffix(REMOVED)) else { continue };
            let done = match self.get(id) {
                Some(_) => fs::rename(&removed, self.folder(id)),
                None => remove_folder(&removed),
            };
            if let Err(e) = done {
                tracing::warn!(error = %e, "an interrupted removal could not be completed");
            }
        }
    }

    fn list(&self) -> MutexGuard<'_, AccountList> {
        self.list.lock()
    }
    /// Applies a change to the list on disk, then to the list in memory. Blocking.
    fn change(&self, f: impl FnOnce(&mut AccountList) -> Result<()>) -> Result<()> {
        assert_may_block();
        let mut list = self.list();
        let mut next = list.clone();
        f(&mut next)?;
        write_atomic(&self.dir.join(LIST_FILE), &serde_json::to_vec_pretty(&next)?)?;
        *list = next;
        Ok(())
    }
}

/// Reads the entries in the accounts' folders. Accounts with a server count as signed out, because an entry may be
/// older than a sign-out.
fn from_folders(dir: &Path) -> Vec<AccountInfo> {
    let Ok(folders) = fs::read_dir(dir.join(ACCOUNTS_DIR)) else { return Vec::new() };
    let entries = folders.flatten().filter_map(|folder| {
        let mut account: AccountInfo =
            serde_json::from_slice(&fs::read(folder.path().join(ENTRY_FILE)).ok()?).ok()?;
        if !account.is_valid() || folder.file_name().to_str() != Some(account.id.as_str()) {
            return None;
        }
        account.signed_out = !account.is_demo();
        Some(account)
    });
    let mut found: Vec<AccountInfo> = entries.collect();
    found.sort_by(|a, b| a.id.cmp(&b.id));
    found
}

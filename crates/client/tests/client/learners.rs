//! Tests of several learners on one device: sign-out of any of them, PINs, removal. Without a network unless stated.

use std::{path::Path, sync::Arc};

use carrel_client::{Client, Error, PinError, account::AccountInfo};
use carrel_model::{ErrorCode, lattice::RowType};
use carrel_sync::Phase;
use carrel_testkit::{FakeClock, within_a_minute, work::finished};

use crate::lifecycle::{School, open, school};

struct Room {
    dir: tempfile::TempDir,
    school: Arc<School>,
    clock: FakeClock,
    client: Arc<Client>,
    asha: String,
    ben: String,
}

/// Two learners who signed in and finished one section each, then the network fails. Ben is the open one.
async fn two_learners_offline() -> Room {
    let dir = tempfile::tempdir().unwrap();
    let (school, clock) = (school(), FakeClock::noon());
    let client = open(dir.path(), &school, &clock).await;
    let asha = client.sign_in(School::ADDRESS, "asha", "right").await.unwrap();
    within_a_minute("a sync", asha.sync.sync_now()).await.unwrap();
    school.set_down(true);
    asha.learning.record(finished("a/b/c")).await.unwrap();
    let asha = asha.id().to_owned();
    school.set_down(false);
    let ben = client.sign_in(School::ADDRESS, "ben", "right").await.unwrap();
    within_a_minute("a sync", ben.sync.sync_now()).await.unwrap();
    school.set_down(true);
    ben.learning.record(finished("x/y/z")).await.unwrap();
    let ben = ben.id().to_owned();
    Room { dir, school, clock, client, asha, ben }
}

impl Room {
    async fn restart(&mut self) {
        self.client.close().await;
        self.client = open(self.dir.path(), &self.school, &self.clock).await;
    }
    fn info(&self, id: &str) -> AccountInfo {
        self.client.accounts().get(id).unwrap()
    }
    fn open_id(&self) -> Option<String> {
        self.client.account().map(|open| open.id().to_owned())
    }
    async fn try_pin(&self, id: &str, pin: &str) -> Result<(), PinError> {
        match self.client.unlock(id, Some(pin)).await {
            Ok(_) => Ok(()),
            Err(Error::Pin(e)) => Err(e),
            Err(e) => panic!("{e}"),
        }
    }
    async fn sections(&self, root: &str) -> usize {
        self.client.account().unwrap().learning.done_sections(root).await.unwrap().len()
    }
}

fn files(dir: &Path) -> Vec<String> {
    let name = |e: std::fs::DirEntry| e.file_name().to_str().unwrap().to_owned();
    let mut all: Vec<String> = std::fs::read_dir(dir).unwrap().flatten().map(name).collect();
    all.sort();
    all
}

#[tokio::test]
async fn any_account_can_be_signed_out_and_keeps_its_unsent_work() {
    let room = two_learners_offline().await;
    room.client.sign_out_of(&room.asha).await.unwrap();
    assert_eq!(room.open_id().as_deref(), Some(&*room.ben), "the open account stays open");
    assert!(room.info(&room.asha).signed_out && !room.info(&room.ben).signed_out);
    let refused = room.client.switch(&room.asha).await.err().unwrap();
    assert_eq!(refused.code(), ErrorCode::Unauthenticated);
    room.client.sign_out_of(&room.ben).await.unwrap();
    assert!(room.client.account().is_none());
    assert!(matches!(room.client.sign_out_of("nobody").await, Err(Error::NotFound(_))));
    room.school.set_down(false);
    let asha = room.client.sign_in(School::ADDRESS, "asha", "right").await.unwrap();
    assert_eq!((asha.id(), room.sections("a").await), (&*room.asha, 1));
    let status = within_a_minute("a sync", asha.sync.sync_now()).await.unwrap();
    assert_eq!((status.waiting, status.phase), (0, Phase::Idle));
}

#[tokio::test]
async fn an_account_that_was_left_is_opened_again_without_a_network() {
    let mut room = two_learners_offline().await;
    room.client.leave().await.unwrap();
    assert!(room.client.account().is_none());
    room.restart().await;
    assert!(room.client.account().is_none(), "the learner is chosen at the next start");
    for (id, root) in [(room.asha.clone(), "a"), (room.ben.clone(), "x")] {
        room.client.switch(&id).await.unwrap();
        assert_eq!((room.sections(root).await, room.info(&id).signed_out), (1, false));
    }
    assert_eq!(room.sections("a").await, 0, "each learner sees only their own work");
    room.client.leave().await.unwrap();
    room.client.leave().await.unwrap();
}

#[tokio::test]
async fn a_pin_opens_an_account_also_after_a_sign_out_without_a_network() {
    let mut room = two_learners_offline().await;
    room.client.set_pin(None, Some("2468")).await.unwrap();
    room.client.sign_out_of(&room.ben).await.unwrap();
    assert_eq!(
        room.client.switch(&room.ben).await.err().unwrap().to_string(),
        PinError::Required.to_string()
    );
    assert_eq!(room.try_pin(&room.ben, "1357").await, Err(PinError::Wrong { wait_ms: 0 }));
    assert!(room.client.account().is_none());
    // Arabic-Indic digits.
    room.try_pin(&room.ben, "\u{662}\u{664}\u{666}\u{668}").await.unwrap();
    assert_eq!(room.sections("x").await, 1);
    let info = room.info(&room.ben);
    assert!(
        info.needs_sign_in && !info.signed_out,
        "the work is not synced until the next sign-in"
    );
    let ben = room.client.account().unwrap();
    ben.learning.record(finished("x/y/w")).await.unwrap();
    drop(ben);
    // The PIN is asked again after a restart.
    room.restart().await;
    assert_eq!(room.open_id(), None);
    room.try_pin(&room.ben, "2468").await.unwrap();
    room.school.set_down(false);
    let ben = room.client.sign_in(School::ADDRESS, "ben", "right").await.unwrap();
    let status = within_a_minute("a sync", ben.sync.sync_now()).await.unwrap();
    assert_eq!(status.waiting, 0);
    assert!(room.info(&room.ben).pin.is_some(), "a sign-in keeps the PIN");
}

#[tokio::test]
async fn the_delay_after_wrong_pins_survives_a_restart() {
    let mut room = two_learners_offline().await;
    room.client.set_pin(None, Some("2468")).await.unwrap();
    room.client.leave().await.unwrap();
    for wait_ms in [0, 0, 5_000] {
        assert_eq!(room.try_pin(&room.ben, "0000").await, Err(PinError::Wrong { wait_ms }));
    }
    room.restart().await;
    let too_early = room.try_pin(&room.ben, "2468").await;
    assert_eq!(
        too_early,
        Err(PinError::Wait { wait_ms: 5_000 }),
        "the right PIN, too, has to wait"
    );
    room.clock.advance(4_999);
    assert_eq!(room.try_pin(&room.ben, "2468").await, Err(PinError::Wait { wait_ms: 1 }));
    room.clock.advance(1);
    assert_eq!(room.try_pin(&room.ben, "0001").await, Err(PinError::Wrong { wait_ms: 10_000 }));
    room.clock.advance(10_000);
    room.try_pin(&room.ben, "2468").await.unwrap();
    room.client.leave().await.unwrap();
    assert_eq!(
        room.try_pin(&room.ben, "1").await,
        Err(PinError::Wrong { wait_ms: 0 }),
        "counted anew"
    );
}

#[tokio::test]
async fn the_pin_is_changed_with_the_present_one_and_removed_by_the_password() {
    let room = two_learners_offline().await;
    let set = async |current: Option<&str>, pin: Option<&str>| match room
        .client
        .set_pin(current, pin)
        .await
    {
        Ok(()) => None,
        Err(Error::Pin(e)) => Some(e),
        Err(e) => panic!("{e}"),
    };
    for invalid in ["", "123", "1234567890123", "abcd"] {
        assert_eq!(set(None, Some(invalid)).await, Some(PinError::Invalid), "{invalid:?}");
    }
    assert_eq!(set(None, Some("2468")).await, None);
    let stored = std::fs::read_to_string(room.dir.path().join("data/accounts.json")).unwrap();
    assert!(stored.contains("$argon2id$") && !stored.contains("2468"), "{stored}");
    assert_eq!(set(None, Some("1111")).await, Some(PinError::Required));
    assert_eq!(set(Some("1111"), None).await, Some(PinError::Wrong { wait_ms: 0 }));
    assert_eq!(set(Some("2468"), Some("1357")).await, None);
    assert_eq!(set(Some("1357"), None).await, None);
    assert_eq!(set(None, Some("9999")).await, None);
    room.client.leave().await.unwrap();
    room.school.set_down(false);
    room.client.sign_in_without_pin(School::ADDRESS, "ben", "right").await.unwrap();
    assert!(room.info(&room.ben).pin.is_none());
    let demo = room.client.open_demo().await.unwrap();
    assert!(demo.is_demo());
    let refused = room.client.set_pin(None, Some("2468")).await.err().unwrap();
    assert_eq!(refused.code(), ErrorCode::InvalidRequest);
}

#[tokio::test]
async fn a_removal_needs_the_number_of_unsynced_changes_and_deletes_the_files() {
    let mut room = two_learners_offline().await;
    let (data, cache) = (room.dir.path().join("data"), room.dir.path().join("cache"));
    // Asha's account is closed, Ben's is open.
    for id in [&room.asha, &room.ben] {
        let unsynced = room.client.unsynced(id).await.unwrap();
        let progress = unsynced.by_type.iter().find(|(row_type, _)| *row_type == RowType::Progress);
        assert_eq!(progress, Some(&(RowType::Progress, 1)), "{unsynced:?}");
        assert!(unsynced.is_known);
        let wrong = room.client.remove_account(id, None, unsynced.total() - 1).await.err().unwrap();
        assert_eq!(wrong.code(), ErrorCode::Conflict);
    }
    assert_eq!(room.client.accounts().all().len(), 2);
    let total = room.client.unsynced(&room.asha).await.unwrap().total();
    room.client.remove_account(&room.asha, None, total).await.unwrap();
    assert_eq!(files(&data.join("accounts")), [room.ben.clone()]);
    assert_eq!(files(&cache.join("accounts")), [room.ben.clone()]);
    assert_eq!((room.open_id().as_deref(), room.sections("x").await), (Some(&*room.ben), 1));
    assert!(room.client.accounts().get(&room.asha).is_none());
    let total = room.client.unsynced(&room.ben).await.unwrap().total();
    room.client.remove_account(&room.ben, None, total).await.unwrap();
    assert!(room.client.account().is_none() && files(&data.join("accounts")).is_empty());
    room.restart().await;
    assert!(room.client.accounts().all().is_empty());
    // The learner can sign in again; only the work that was sent comes back.
    room.school.set_down(false);
    let asha = room.client.sign_in(School::ADDRESS, "asha", "right").await.unwrap();
    within_a_minute("a sync", asha.sync.sync_now()).await.unwrap();
    assert_eq!(room.sections("a").await, 0);
}

#[tokio::test]
async fn a_closed_account_with_a_pin_is_removed_only_with_it() {
    let room = two_learners_offline().await;
    room.client.set_pin(None, Some("2468")).await.unwrap();
    room.client.leave().await.unwrap();
    let total = room.client.unsynced(&room.ben).await.unwrap().total();
    let remove = async |pin| room.client.remove_account(&room.ben, pin, total).await;
    assert!(matches!(remove(None).await, Err(Error::Pin(PinError::Required))));
    assert!(matches!(remove(Some("0000")).await, Err(Error::Pin(PinError::Wrong { .. }))));
    remove(Some("2468")).await.unwrap();
    let demo = room.client.open_demo().await.unwrap();
    let refused = room.client.remove_account(demo.id(), None, 0).await.err().unwrap();
    assert_eq!(refused.code(), ErrorCode::InvalidRequest);
}

#[tokio::test]
async fn only_a_guest_erases_work_without_removing_the_account() {
    let mut room = two_learners_offline().await;
    let refused = room.client.erase_guest_work().await.err().unwrap();
    assert_eq!((refused.code(), room.sections("x").await), (ErrorCode::InvalidRequest, 1));
    let guest = room.client.open_guest().await.unwrap();
    guest.learning.record(finished("d/e/f")).await.unwrap();
    let id = guest.id().to_owned();
    drop(guest);
    let list = room.dir.path().join("cache/accounts").join(&id);
    std::fs::create_dir_all(&list).unwrap();
    std::fs::write(list.join("content"), "kept").unwrap();
    assert_eq!(room.sections("d").await, 1);
    room.client.erase_guest_work().await.unwrap();
    assert_eq!((room.open_id().as_deref(), room.sections("d").await), (Some(&*id), 0));
    assert!(list.join("content").exists(), "content stays");
    let accounts = room.dir.path().join("data/accounts");
    assert!(!accounts.join(format!("{id}.removed")).exists());
    assert_eq!(room.client.accounts().all().len(), 3);
    room.restart().await;
    assert_eq!((room.open_id().as_deref(), room.sections("d").await), (Some(&*id), 0));
    room.client.switch(&room.ben).await.unwrap();
    assert_eq!(room.sections("x").await, 1, "the work of others stays");
}

#[tokio::test]
async fn an_account_whose_database_cannot_be_read_can_be_removed() {
    let room = two_learners_offline().await;
    let database = room.dir.path().join("data/accounts").join(&room.asha).join("user.db");
    std::fs::remove_file(&database).unwrap();
    std::fs::create_dir(&database).unwrap();
    let unsynced = room.client.unsynced(&room.asha).await.unwrap();
    assert_eq!((unsynced.is_known, unsynced.total()), (false, 0));
    room.client.remove_account(&room.asha, None, 0).await.unwrap();
    assert_eq!(room.client.accounts().all().len(), 1);
}

#[tokio::test]
async fn an_interrupted_removal_is_completed_or_undone() {
    let mut room = two_learners_offline().await;
    room.client.leave().await.unwrap();
    let accounts = room.dir.path().join("data/accounts");
    let removed = |id: &str| accounts.join(format!("{id}.removed"));
    // Interrupted before the list was written: the account is still there.
    std::fs::rename(accounts.join(&room.asha), removed(&room.asha)).unwrap();
    // Interrupted after it was written.
    std::fs::create_dir(removed("0123456789")).unwrap();
    room.restart().await;
    let mut expected = [room.asha.clone(), room.ben.clone()];
    expected.sort();
    assert_eq!(files(&accounts), expected);
    room.client.switch(&room.asha).await.unwrap();
    assert_eq!(room.sections("a").await, 1);
}

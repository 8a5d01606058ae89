//! Kiosk: what a sign-out, a change of the learner and a crash leave behind, and claiming kept work with a code.

use std::{fs, path::Path, sync::Arc};

use carrel_client::{Client, OpenAccount, account::FileSecrets, carrel_policy::Source};
use carrel_model::{BlobHash, ErrorCode, content::Response, lattice::ItemKind};
use carrel_testkit::{
    FakeClock, SeededIds, within_a_minute,
    work::{finished, item, slug},
};

use crate::lifecycle::{School, open_managed, school};

const SECTION: &str = "secret-course/lesson/section";
const QUIZ: &str = "secret-course/lesson/quiz";
/// An answer of which no byte may remain.
const ANSWER: &str = "the mitochondria of Asha";

struct Kiosk {
    dir: tempfile::TempDir,
    school: Arc<School>,
    clock: FakeClock,
}

impl Kiosk {
    fn new() -> Self {
        let kiosk =
            Self { dir: tempfile::tempdir().unwrap(), school: school(), clock: FakeClock::noon() };
        kiosk.set_policy(true);
        kiosk
    }
    fn set_policy(&self, kiosk: bool) {
        let text = format!(r#"{{"KioskMode": {kiosk}}}"#);
        fs::write(self.dir.path().join("policies.json"), text).unwrap();
    }
    async fn client(&self) -> Arc<Client> {
        let path = self.dir.path().join("policies.json");
        let secrets = Arc::new(FileSecrets::new(self.dir.path(), Arc::new(SeededIds::new(1))));
        let source = Source::File { path, of_machine: false };
        open_managed(self.dir.path(), &self.school, &self.clock, secrets, vec![source]).await
    }
    /// Paths of all files of this machine whose bytes contain `text`.
    fn files_with(&self, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut pending = vec![self.dir.path().to_owned()];
        while let Some(path) = pending.pop() {
            if path.is_dir() {
                pending.extend(fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
            } else if contains(&path, text) {
                found.push(path.display().to_string());
            }
        }
        found
    }
    /// Asserts that nothing on this machine is readable of a learner's work.
    fn assert_wiped(&self) {
        for text in [SECTION, QUIZ, ANSWER, "asha"] {
            assert_eq!(self.files_with(text), Vec::<String>::new(), "{text}");
        }
        let folders = ["data/accounts", "cache/accounts"].map(|f| self.dir.path().join(f));
        let mut left = Vec::new();
        let mut pending = folders.to_vec();
        while let Some(folder) = pending.pop() {
            let paths = fs::read_dir(folder).into_iter().flatten().map(|e| e.unwrap().path());
            pending.extend(paths.inspect(|path| left.push(path.display().to_string())));
        }
        assert_eq!(left, Vec::<String>::new(), "folders of accounts");
    }
    fn kept(&self) -> usize {
        let folder = self.dir.path().join("data/kept");
        fs::read_dir(folder).map_or(0, Iterator::count)
    }
}

fn contains(path: &Path, text: &str) -> bool {
    fs::read(path).is_ok_and(|bytes| bytes.windows(text.len()).any(|w| w == text.as_bytes()))
}

async fn sign_in(client: &Client, login: &str) -> Arc<OpenAccount> {
    client.sign_in(School::ADDRESS, login, "right").await.unwrap()
}
async fn work(account: &OpenAccount) {
    account.learning.record(finished(SECTION)).await.unwrap();
    let hash = BlobHash([1; 32]);
    let attempt = account.learning.start_attempt(&item(QUIZ), hash).await.unwrap();
    let response = Response::Fill { texts: vec![ANSWER.to_owned()] };
    let id = attempt.attempt.id;
    account.learning.save_answer(id, &slug("question"), &response).await.unwrap();
}
async fn has_work(account: &OpenAccount) -> bool {
    let section = account.learning.progress(ItemKind::Section, &item(SECTION)).await.unwrap();
    let attempts = account.learning.attempts(&item(QUIZ)).await.unwrap();
    let has_answer = attempts.iter().any(|a| a.answers.iter().any(|of| of.value.contains(ANSWER)));
    assert_eq!(section.is_some(), has_answer, "either all of the work or nothing");
    has_answer
}

#[tokio::test]
async fn a_sign_out_deletes_synced_work_and_keeps_nothing() {
    let kiosk = Kiosk::new();
    let client = kiosk.client().await;
    let account = sign_in(&client, "asha").await;
    work(&account).await;
    assert!(!kiosk.files_with(ANSWER).is_empty(), "the search finds it");
    drop(account);
    client.sign_out().await.unwrap();
    assert!(client.accounts().all().is_empty() && client.kept_work().is_empty());
    assert!(!client.has_claimable_work().await);
    kiosk.assert_wiped();
    // The server has it: the last sync sent it.
    let account = sign_in(&client, "asha").await;
    within_a_minute("a sync", account.sync.sync_now()).await.unwrap();
    assert!(has_work(&account).await);
    client.close().await;
}

#[tokio::test]
async fn unsent_work_is_kept_encrypted_and_claimed_with_the_code() {
    let kiosk = Kiosk::new();
    let client = kiosk.client().await;
    let account = sign_in(&client, "asha").await;
    kiosk.school.set_down(true);
    work(&account).await;
    drop(account);
    client.leave().await.unwrap();
    let [kept] = client.kept_work().try_into().unwrap();
    assert_eq!(kept.learner, "Asha");
    assert!(client.accounts().all().is_empty());
    kiosk.assert_wiped();
    assert_eq!(kiosk.kept(), 1);
    for code in [kept.code.clone(), kept.code.replace('-', "")] {
        assert_eq!(kiosk.files_with(&code), Vec::<String>::new());
    }

    kiosk.school.set_down(false);
    let account = sign_in(&client, "asha").await;
    for wrong in ["", "7K2MF-Q8D3X-0VWR5-9ABCD", "../../policies.json"] {
        let error = client.claim_work(wrong).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::NotFound, "{wrong}");
    }
    assert!(client.has_claimable_work().await);
    let claimed = client.claim_work(&kept.code.to_lowercase()).await.unwrap();
    assert_eq!(claimed.rows, kept.rows);
    assert!(has_work(&account).await);
    assert!(
        kiosk.kept() == 0 && client.kept_work().is_empty() && !client.has_claimable_work().await
    );
    assert_eq!(client.claim_work(&kept.code).await.unwrap_err().code(), ErrorCode::NotFound);
    client.close().await;
}

#[tokio::test]
async fn the_code_is_shown_until_it_is_noted_also_after_a_restart() {
    let kiosk = Kiosk::new();
    let client = kiosk.client().await;
    work(&client.open_guest().await.unwrap()).await;
    client.leave().await.unwrap();
    let [kept] = client.kept_work().try_into().unwrap();
    client.close().await;
    drop(client);

    let client = kiosk.client().await;
    assert_eq!(client.kept_work(), std::slice::from_ref(&kept));
    sign_in(&client, "ben").await;
    client.sign_out().await.unwrap();
    assert_eq!(client.kept_work(), std::slice::from_ref(&kept), "another learner does not hide it");
    client.forget_kept_work(&kept.code).await.unwrap();
    assert!(client.kept_work().is_empty());
    client.close().await;
    drop(client);

    let client = kiosk.client().await;
    assert!(client.kept_work().is_empty() && client.has_claimable_work().await);
    sign_in(&client, "ben").await;
    client.claim_work(&kept.code).await.unwrap();
    client.close().await;
}

#[tokio::test]
async fn the_work_of_a_guest_is_claimed_by_the_learner_who_has_the_code() {
    let kiosk = Kiosk::new();
    let client = kiosk.client().await;
    let guest = client.open_guest().await.unwrap();
    work(&guest).await;
    drop(guest);
    client.leave().await.unwrap();
    let [kept] = client.kept_work().try_into().unwrap();
    assert_eq!(kept.learner, "");
    kiosk.assert_wiped();
    let other = client.open_guest().await.unwrap();
    assert!(!has_work(&other).await);
    drop(other);
    client.leave().await.unwrap();
    assert_eq!(kiosk.kept(), 1, "a guest without work leaves nothing");
    // Also on a machine that is no longer a kiosk.
    kiosk.set_policy(false);
    client.reload_policies().await;
    let account = sign_in(&client, "asha").await;
    client.claim_work(&kept.code).await.unwrap();
    assert!(has_work(&account).await);
    client.close().await;
}

#[tokio::test]
async fn without_work_nothing_is_kept_although_the_server_is_down() {
    let kiosk = Kiosk::new();
    let client = kiosk.client().await;
    let account = sign_in(&client, "asha").await;
    kiosk.school.set_down(true);
    // Waits for the server, and is no work.
    account.learning.name_this_device("kiosk 7").await.unwrap();
    assert!(account.sync.sync_now().await.unwrap().waiting > 0);
    drop(account);
    client.sign_out().await.unwrap();
    assert!(client.kept_work().is_empty() && client.accounts().all().is_empty());
    kiosk.assert_wiped();
    client.close().await;
}

#[tokio::test]
async fn nobody_else_can_claim_the_work_of_a_learner() {
    let kiosk = Kiosk::new();
    let client = kiosk.client().await;
    let account = sign_in(&client, "asha").await;
    kiosk.school.set_down(true);
    work(&account).await;
    drop(account);
    client.sign_out().await.unwrap();
    let [kept] = client.kept_work().try_into().unwrap();
    kiosk.school.set_down(false);
    let other = sign_in(&client, "benjamin").await;
    assert_eq!(client.claim_work(&kept.code).await.unwrap_err().code(), ErrorCode::Forbidden);
    assert!(!has_work(&other).await && kiosk.kept() == 1, "the file is still there");
    client.close().await;
}

#[tokio::test]
async fn the_work_of_the_previous_learner_is_deleted_when_another_one_starts() {
    let kiosk = Kiosk::new();
    let client = kiosk.client().await;
    let asha = sign_in(&client, "asha").await;
    work(&asha).await;
    drop(asha);
    // Not a sign-out: the next learner signs in with the form that adds an account.
    let ben = sign_in(&client, "ben").await;
    let accounts = client.accounts().all();
    assert_eq!(accounts.iter().map(|a| a.user.login.as_str()).collect::<Vec<_>>(), ["ben"]);
    assert!(client.kept_work().is_empty(), "the server has it");
    kiosk.school.set_down(true);
    // The simulated server gives the same rows to all learners, so this must be something new.
    ben.learning.record(finished("secret-course/lesson/other")).await.unwrap();
    drop(ben);
    let guest = client.open_guest().await.unwrap();
    assert!(!has_work(&guest).await && client.accounts().all().len() == 1);
    assert_eq!((client.kept_work().len(), kiosk.kept()), (1, 1));
    assert_eq!(kiosk.files_with(ANSWER), Vec::<String>::new());
    client.close().await;
}

#[tokio::test]
async fn a_sign_out_that_cannot_keep_the_work_deletes_nothing() {
    let kiosk = Kiosk::new();
    let client = kiosk.client().await;
    let account = sign_in(&client, "asha").await;
    kiosk.school.set_down(true);
    work(&account).await;
    drop(account);
    // A file where the folder of kept work has to be.
    fs::write(kiosk.dir.path().join("data/kept"), "").unwrap();
    client.sign_out().await.unwrap_err();
    let account = client.account().expect("the account is open again");
    assert!(has_work(&account).await && client.kept_work().is_empty());
    work(&account).await;
    drop(account);
    fs::remove_file(kiosk.dir.path().join("data/kept")).unwrap();
    client.sign_out().await.unwrap();
    assert_eq!((client.accounts().all().len(), client.kept_work().len()), (0, 1));
    kiosk.assert_wiped();
    client.close().await;
}

#[tokio::test]
async fn the_start_after_a_crash_deletes_synced_work_and_never_unsent_work() {
    let kiosk = Kiosk::new();
    let client = kiosk.client().await;
    let account = sign_in(&client, "asha").await;
    kiosk.school.set_down(true);
    work(&account).await;
    drop(account);
    // Not a sign-out: the app ends.
    client.close().await;
    drop(client);
    let client = kiosk.client().await;
    let accounts = client.accounts().all();
    assert!(client.account().is_none() && accounts.len() == 1 && accounts[0].signed_out);
    assert!(client.switch(&accounts[0].id).await.is_err(), "only a sign-in opens it");
    client.close().await;
    drop(client);

    // The next start at which the server can be reached sends the work, without a sign-in.
    kiosk.school.set_down(false);
    let client = kiosk.client().await;
    assert!(client.accounts().all().is_empty());
    kiosk.assert_wiped();
    let account = sign_in(&client, "asha").await;
    within_a_minute("a sync", account.sync.sync_now()).await.unwrap();
    assert!(has_work(&account).await);
    client.close().await;
}

#[tokio::test]
async fn the_start_after_a_crash_keeps_the_work_of_a_guest_under_a_code() {
    let kiosk = Kiosk::new();
    let client = kiosk.client().await;
    work(&client.open_guest().await.unwrap()).await;
    client.close().await;
    drop(client);
    let client = kiosk.client().await;
    assert!(client.account().is_none() && client.accounts().all().is_empty());
    let [kept] = client.kept_work().try_into().unwrap();
    kiosk.assert_wiped();
    let account = sign_in(&client, "asha").await;
    client.claim_work(&kept.code).await.unwrap();
    assert!(has_work(&account).await);
    client.close().await;
}

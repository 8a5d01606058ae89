//! A device: a learner's store, session and sync, with a separate folder, clock and faulty network.
//! Tests run sync step by step, so that runs are reproducible.
//!
//! Not here: the scheduler, caches and downloads (tested with a whole `Client`).

use std::{path::Path, sync::Arc};

use carrel_client::{Result, account, account::FileSecrets};
use carrel_learning::{
    Learning,
    store::{Options, Store, outbox, state},
};
use carrel_model::{
    DeviceId, ErrorCode, UserId,
    lattice::{RowKey, RowType},
    wire::{LoginRequest, RegisterRequest},
};
use carrel_net::{Session, Tokens};
use carrel_sqlite::{
    Changes,
    rows::{self, Owner},
};
use carrel_sync::{Engine, Event, Machine, Phase, Transport};
use carrel_system::{Clock, IdGen};
use tempfile::TempDir;

use crate::{
    FakeClock, FlakyHttp, SeededIds, Timeline,
    oracle::Rows,
    scratch::{copy_dir, scratch},
};

/// The password of all learners.
pub const PASSWORD: &str = "correct horse";

/// A simulated device.
pub struct Device {
    pub name: String,
    pub clock: FakeClock,
    pub http: Arc<FlakyHttp>,
    pub time: Timeline,
    pub user: UserId,
    pub login: String,
    id: DeviceId,
    base: String,
    ids: Arc<SeededIds>,
    dir: TempDir,
    app: Option<OpenApp>,
    /// The account certificate, which the app stores with the account.
    certificate: String,
    /// Number of repeated sign-ins.
    pub sign_ins: u32,
}

/// Options of a sign-in on a new device.
pub struct NewDevice<'a> {
    /// Name of the device.
    pub name: &'a str,
    pub login: &'a str,
    /// Registers an account instead of signing in.
    pub is_new: bool,
    pub seed: u64,
}

/// The parts of the open app.
pub struct OpenApp {
    pub store: Arc<Store>,
    pub learning: Learning,
    pub session: Session,
    pub engine: Engine,
}

impl Device {
    /// Creates a device and signs the learner in.
    pub async fn sign_in(
        options: NewDevice<'_>,
        base: &str,
        http: FlakyHttp,
        clock: FakeClock,
        time: &Timeline,
    ) -> Self {
        let NewDevice { name, login, is_new, seed } = options;
        let ids = Arc::new(SeededIds::new(seed));
        let id = DeviceId(ids.uuid_v7(clock.now_ms()));
        let http = Arc::new(http);
        let (device_name, login) = (name.to_owned(), login.to_owned());
        let reply = if is_new {
            let request = RegisterRequest {
                login: login.clone(),
                name: login.clone(),
                password: PASSWORD.into(),
                device_id: id,
                device_name,
                enrolment_token: String::new(),
            };
            account::register(http.as_ref(), base, &request).await
        } else {
            let request = LoginRequest {
                login: login.clone(),
                password: PASSWORD.into(),
                device_id: id,
                device_name,
                account_certificate: String::new(),
                enrolment_token: String::new(),
            };
            account::login(http.as_ref(), base, &request).await
        };
        let reply = reply.expect("the learner signs in");
        let mut device = Self {
            name: name.to_owned(),
            clock,
            http,
            time: time.clone(),
            user: reply.user.id,
            login,
            id,
            base: base.to_owned(),
            ids,
            dir: scratch(),
            app: None,
            certificate: reply.account_certificate.clone(),
            sign_ins: 0,
        };
        device.start().expect("the device starts");
        device.app().session.renew(Tokens::from(&reply)).await.expect("the tokens are stored");
        device
    }

    /// Opens the app.
    pub fn start(&mut self) -> Result<()> {
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let options = Options {
            device: self.id,
            app_version: "0.1.0".into(),
            has_server: true,
            clock: clock.clone(),
            changes: Changes::new(),
            page_limit: None,
        };
        let store = Arc::new(Store::open(&self.dir.path().join("learner"), options)?);
        let ids: Arc<dyn IdGen> = self.ids.clone();
        let secrets = Arc::new(FileSecrets::new(self.dir.path(), ids.clone()));
        let session = Session::new(self.http.clone(), &self.base, "account", secrets);
        let transport =
            Transport::new(Arc::new(session.clone()), &self.base, Some(session.clone()), clock);
        let engine = Engine::new(
            store.clone(),
            transport,
            ids.clone(),
            Machine::new(self.ids.next(), false),
        );
        let learning = Learning::new(store.clone(), ids);
        self.app = Some(OpenApp { store, learning, session, engine });
        Ok(())
    }
    pub fn app(&self) -> &OpenApp {
        self.app.as_ref().expect("the app is open")
    }
    pub fn learning(&self) -> &Learning {
        &self.app().learning
    }
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Closes the app and opens it again.
    pub async fn restart(&mut self) {
        self.app().store.close().await;
        self.app = None;
        self.start().expect("the device restarts");
    }
    /// Simulates a power failure: opens the app on a copy of the disk, without closing the store first.
    pub async fn crash(&mut self) {
        let disk = self.copy_disk().await;
        self.app = None;
        self.dir = disk;
        self.start().expect("the device restarts");
    }
    /// Returns a copy of the disk. Waits for the current transaction; incomplete transactions are
    /// handled by SQLite.
    pub async fn copy_disk(&self) -> TempDir {
        let ready = self.app().store.write("barrier", |_| Ok(())).await;
        ready.expect("the transaction is committed");
        let copy = scratch();
        copy_dir(self.dir.path(), copy.path()).expect("the disk is copied");
        copy
    }
    /// Replaces the disk by an old copy, as when a backup of the machine is restored.
    pub fn restore_disk(&mut self, disk: &TempDir) {
        self.app = None;
        let copy = scratch();
        copy_dir(disk.path(), copy.path()).expect("the disk is copied");
        self.dir = copy;
        self.start().expect("the device restarts");
    }
    /// Creates another device with a copy of the disk: same device id, same tokens.
    pub async fn clone_disk(
        &self,
        name: &str,
        http: FlakyHttp,
        clock: FakeClock,
        seed: u64,
    ) -> Self {
        let mut device = Self {
            name: name.to_owned(),
            clock,
            http: Arc::new(http),
            time: self.time.clone(),
            user: self.user,
            login: self.login.clone(),
            id: self.id,
            base: self.base.clone(),
            ids: Arc::new(SeededIds::new(seed)),
            dir: self.copy_disk().await,
            app: None,
            certificate: self.certificate.clone(),
            sign_ins: 0,
        };
        device.start().expect("the clone starts");
        device
    }

    /// Runs one step of sync.
    pub async fn step(&self, event: Event) -> Result<()> {
        Ok(self.app().engine.step(event).await?)
    }
    /// Signs in again if the session has ended. Returns `false` if that failed, except for wrong
    /// credentials, which panic.
    pub async fn sign_in_again(&mut self) -> bool {
        if !self.app().session.is_ended() && self.app().engine.phase().0 != Phase::SignedOut {
            return true;
        }
        let request = LoginRequest {
            login: self.login.clone(),
            password: PASSWORD.into(),
            device_id: self.id,
            device_name: self.name.clone(),
            account_certificate: self.certificate.clone(),
            enrolment_token: String::new(),
        };
        match account::login(self.http.as_ref(), &self.base, &request).await {
            Ok(reply) => {
                self.sign_ins += 1;
                self.app()
                    .session
                    .renew(Tokens::from(&reply))
                    .await
                    .expect("the tokens are stored");
                let _ = self.step(Event::SignedIn).await;
                true
            }
            Err(carrel_net::Error::Server { code: ErrorCode::BadCredentials, detail, .. }) => {
                panic!("{} cannot sign in: {detail}", self.name)
            }
            Err(_) => false,
        }
    }

    /// Returns all rows, by key.
    pub async fn rows(&self) -> Rows {
        let read = self.app().store.read(|conn| {
            let mut all = Rows::new();
            for row_type in RowType::ALL {
                let rows = rows::all(conn, Owner::Client, *row_type)?;
                all.extend(rows.into_iter().map(|row| (row.key(), row)));
            }
            Ok(all)
        });
        read.await.expect("the rows are read")
    }
    /// Returns the number of pending rows and of refused rows.
    pub async fn counts(&self) -> (u32, u32) {
        self.app().store.read(outbox::counts).await.expect("the outbox is read")
    }
    pub async fn refused(&self) -> Vec<outbox::Refused> {
        self.app().store.read(outbox::refused).await.expect("the quarantine is read")
    }
    /// Queues a refused row again.
    pub async fn retry(&self, key: &RowKey) {
        let key = key.clone();
        self.app()
            .store
            .write("retry", move |tx| tx.requeue(&key))
            .await
            .expect("the row is queued");
    }
    pub async fn sync_state(&self) -> state::State {
        self.app().store.read(state::load).await.expect("the sync state is read")
    }
    /// Runs `PRAGMA integrity_check`.
    pub async fn check_integrity(&self) {
        let result = self.app().store.read(|conn| Ok(carrel_sqlite::integrity_check(conn)?));
        result.await.expect("the file is intact");
    }
}

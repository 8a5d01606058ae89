//! Password hashing with argon2id on dedicated threads, and random tokens.
//!
//! Each thread reuses one block of memory (19 MiB) for all hashes. If a block were allocated for each hash, glibc would
//! not return it to the system: it raises its mmap threshold to the size of the block and then allocates blocks from
//! its heaps.
//!
//! Not here: who may sign in (`http::auth`), storage of hashes (`store`).

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

use argon2::{
    Algorithm, Argon2, Block, Params, PasswordHash, Version,
    password_hash::{Output, Salt, SaltString},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use carrel_precis as precis;
use tokio::sync::oneshot;
use unicode_normalization::UnicodeNormalization;

/// Why a password could not be hashed or verified.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    #[error("too many sign-ins at once")]
    Busy,
    #[error("password hash: {0}")]
    Hash(String),
}

/// The purpose of a hash. Each purpose has its own queue, so that many requests of one purpose do not delay the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    SignIn,
    Registration,
}

/// Result of a verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verified {
    Wrong,
    Correct,
    /// Correct, but the stored hash is of another form of the password. The new hash, to replace it.
    CorrectRehashed(String),
}

/// Hashes passwords with the argon2id parameters of OWASP (19 MiB, 2 passes), on one thread per core, at most
/// `MAX_THREADS`.
pub struct Passwords {
    queues: Arc<Queues>,
    threads: Vec<JoinHandle<()>>,
    /// The hash for an unknown login, so that its verification takes the same time.
    dummy: String,
}

/// Maximum number of threads, since each permanently holds a block of 19 MiB.
const MAX_THREADS: usize = 4;
/// Maximum length of each queue; further jobs are refused.
const MAX_WAITING: usize = 256;
/// Maximum memory parameter of a stored hash, in KiB.
const MAX_MEMORY_KIB: u32 = 64 * 1024;

type HashJob = Box<dyn FnOnce(&mut Vec<Block>) + Send>;

#[derive(Default)]
struct Queues {
    state: Mutex<QueueState>,
    changed: Condvar,
}

#[derive(Default)]
struct QueueState {
    sign_ins: VecDeque<HashJob>,
    registrations: VecDeque<HashJob>,
    /// If true and both queues have jobs, the next job is a registration.
    registration_is_next: bool,
    closed: bool,
}

impl QueueState {
    fn take(&mut self) -> Option<HashJob> {
        let registration_first = self.registration_is_next;
        self.registration_is_next = !registration_first;
        let (first, second) = if registration_first {
            (&mut self.registrations, &mut self.sign_ins)
        } else {
            (&mut self.sign_ins, &mut self.registrations)
        };
        first.pop_front().or_else(|| second.pop_front())
    }
}

impl Queues {
    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Waits for the next job. Returns `None` when the queues are closed and empty.
    fn next(&self) -> Option<HashJob> {
        let mut waiting = self.lock();
        loop {
            if let Some(job) = waiting.take() {
                return Some(job);
            }
            if waiting.closed {
                return None;
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }
    fn push(&self, purpose: Purpose, job: HashJob) -> Result<(), PasswordError> {
        let mut waiting = self.lock();
        let queue = match purpose {
            Purpose::SignIn => &mut waiting.sign_ins,
            Purpose::Registration => &mut waiting.registrations,
        };
        if queue.len() >= MAX_WAITING {
            return Err(PasswordError::Busy);
        }
        queue.push_back(job);
        self.changed.notify_one();
        Ok(())
    }
}

impl Passwords {
    pub fn new() -> Result<Self, PasswordError> {
        let cores = std::thread::available_parallelism().map_or(2, |n| n.get());
        let queues = Arc::new(Queues::default());
        let threads = (0..cores.clamp(1, MAX_THREADS))
            .map(|n| {
                let queues = Arc::clone(&queues);
                std::thread::Builder::new().name(format!("carrel-password-{n}")).spawn(move || {
                    // Allocated by the first hash, then reused.
                    let mut blocks = Vec::new();
                    while let Some(job) = queues.next() {
                        job(&mut blocks);
                    }
                })
            })
            .collect::<Result<_, _>>()
            .map_err(|e| PasswordError::Hash(e.to_string()))?;
        Ok(Self { queues, threads, dummy: dummy_hash()? })
    }

    /// Returns the PHC string to store.
    pub async fn hash(&self, password: String) -> Result<String, PasswordError> {
        self.run(Purpose::Registration, move |blocks| hash_in(&password, blocks)).await?
    }

    /// Verifies a typed password against a stored hash. Without a stored hash, the result is `Wrong` after the same
    /// time.
    ///
    /// The OpaqueString form is compared first. A hash of an older release may be of the password as typed, composed or
    /// decomposed; the password is then hashed again.
    pub async fn verify(
        &self,
        password: String,
        stored: Option<String>,
    ) -> Result<Verified, PasswordError> {
        let has_stored_hash = stored.as_ref().is_some_and(|s| !s.is_empty());
        let stored = stored.filter(|s| !s.is_empty()).unwrap_or_else(|| self.dummy.clone());
        let verified = self
            .run(Purpose::SignIn, move |blocks| {
                for form in forms(&password) {
                    if is_correct(&form, &stored, blocks)? {
                        return Ok(match precis::opaque(&form) {
                            Ok(current) if current != form => {
                                Verified::CorrectRehashed(hash_in(&current, blocks)?)
                            }
                            _ => Verified::Correct,
                        });
                    }
                }
                Ok(Verified::Wrong)
            })
            .await??;
        Ok(if has_stored_hash { verified } else { Verified::Wrong })
    }

    async fn run<T: Send + 'static>(
        &self,
        purpose: Purpose,
        f: impl FnOnce(&mut Vec<Block>) -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let (reply, receiver) = oneshot::channel();
        let job = Box::new(move |blocks: &mut Vec<Block>| {
            // Skipped if the request was cancelled.
            if !reply.is_closed() {
                let _ = reply.send(f(blocks));
            }
        });
        self.queues.push(purpose, job)?;
        receiver.await.map_err(|_| PasswordError::Busy)
    }
}

impl Drop for Passwords {
    fn drop(&mut self) {
        {
            let mut waiting = self.queues.lock();
            waiting.closed = true;
            waiting.sign_ins.clear();
            waiting.registrations.clear();
        }
        self.queues.changed.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Returns the forms of a password that may have been hashed, the current form first.
fn forms(password: &str) -> Vec<String> {
    let opaque = precis::opaque(password);
    let mut others = vec![password.to_owned(), password.nfc().collect(), password.nfd().collect()];
    if opaque.is_err() {
        // Invisible characters and a line end that were pasted with the password.
        let visible = precis::visible(password);
        others.extend(precis::opaque(visible.trim_end_matches(['\r', '\n'])));
    }
    let mut forms = vec![opaque.unwrap_or_else(|_| password.to_owned())];
    for form in others {
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
    forms
}

fn hash_in(password: &str, blocks: &mut Vec<Block>) -> Result<String, PasswordError> {
    let password = precis::opaque(password).unwrap_or_else(|_| password.to_owned());
    let salt = SaltString::encode_b64(&random::<16>()?).map_err(hash_error)?;
    let params = Params::default();
    let output = compute(&password, salt.as_salt(), &params, Params::DEFAULT_OUTPUT_LEN, blocks)?;
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: (&params).try_into().map_err(hash_error)?,
        salt: Some(salt.as_salt()),
        hash: Some(output),
    };
    Ok(hash.to_string())
}

fn is_correct(
    password: &str,
    stored: &str,
    blocks: &mut Vec<Block>,
) -> Result<bool, PasswordError> {
    let parsed = PasswordHash::new(stored).map_err(hash_error)?;
    let (Some(salt), Some(expected)) = (parsed.salt, parsed.hash) else {
        return Err(PasswordError::Hash("the stored hash is incomplete".into()));
    };
    if parsed.algorithm != Algorithm::Argon2id.ident() {
        return Err(PasswordError::Hash("the stored hash is not argon2id".into()));
    }
    let params = Params::try_from(&parsed).map_err(hash_error)?;
    if params.m_cost() > MAX_MEMORY_KIB {
        return Err(PasswordError::Hash("the stored hash requires too much memory".into()));
    }
    // `Output` is compared in constant time.
    Ok(compute(password, salt, &params, expected.len(), blocks)? == expected)
}

fn compute(
    password: &str,
    salt: Salt<'_>,
    params: &Params,
    len: usize,
    blocks: &mut Vec<Block>,
) -> Result<Output, PasswordError> {
    let block_count = params.block_count();
    if blocks.len() < block_count {
        blocks.resize(block_count, Block::default());
    }
    let mut buffer = [0; 64];
    let salt = salt.decode_b64(&mut buffer).map_err(hash_error)?;
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    Output::init_with(len, |out| {
        Ok(argon.hash_password_into_with_memory(
            password.as_bytes(),
            salt,
            out,
            &mut blocks[..block_count],
        )?)
    })
    .map_err(hash_error)
}

fn hash_error(e: impl std::fmt::Display) -> PasswordError {
    PasswordError::Hash(e.to_string())
}

/// Returns a hash that matches no password; verifying against it takes as long as against a real one.
fn dummy_hash() -> Result<String, PasswordError> {
    let salt = SaltString::encode_b64(&random::<16>()?).map_err(hash_error)?;
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: (&Params::default()).try_into().map_err(hash_error)?,
        salt: Some(salt.as_salt()),
        hash: Some(Output::new(&random::<32>()?).map_err(hash_error)?),
    };
    Ok(hash.to_string())
}

/// Returns the PHC string of a password, for the command line. Blocks for about 20 ms.
pub fn hash_blocking(password: &str) -> Result<String, PasswordError> {
    hash_in(password, &mut Vec::new())
}

/// Returns the password in the first line of a file or pipe, without the byte-order mark and line end that editors
/// and PowerShell add.
pub fn first_line(bytes: &[u8]) -> Result<String, PasswordError> {
    let text = std::str::from_utf8(bytes).map_err(|_| {
        PasswordError::Hash("the password is not UTF-8 (UTF-16 with a byte-order mark?)".into())
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Ok(text.split(['\r', '\n']).next().unwrap_or_default().to_owned())
}

/// Returns random bytes from the operating system.
pub fn random<const N: usize>() -> Result<[u8; N], PasswordError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| PasswordError::Hash(e.to_string()))?;
    Ok(bytes)
}

/// Returns a token of 256 random bits as text, and the hash to store.
pub fn new_token() -> Result<(String, [u8; 32]), PasswordError> {
    let text = URL_SAFE_NO_PAD.encode(random::<32>()?);
    let hash = token_hash(&text);
    Ok((text, hash))
}

/// Returns the hash of a token. Tokens are looked up by hash, so that the time of the lookup reveals nothing about
/// stored tokens.
pub fn token_hash(token: &str) -> [u8; 32] {
    *blake3::hash(token.as_bytes()).as_bytes()
}

#[cfg(test)]
mod tests {
    use argon2::{PasswordHasher, PasswordVerifier};

    use super::*;

    /// Hashes the password as typed, like releases before PRECIS.
    fn old_hash(password: &str) -> String {
        let salt = SaltString::encode_b64(&[7; 16]).unwrap();
        Argon2::default().hash_password(password.as_bytes(), &salt).unwrap().to_string()
    }

    #[tokio::test]
    async fn hashes_match_the_argon2_crate() {
        let passwords = Passwords::new().unwrap();
        let hash = passwords.hash("a good long password".into()).await.unwrap();
        let parsed = PasswordHash::new(&hash).unwrap();
        assert!(Argon2::default().verify_password(b"a good long password", &parsed).is_ok());
        let old = Some(old_hash("a good long password"));
        let verified = passwords.verify("a good long password".into(), old.clone()).await.unwrap();
        assert_eq!(verified, Verified::Correct);
        assert_eq!(passwords.verify("another".into(), old).await.unwrap(), Verified::Wrong);
        for stored in [None, Some(String::new())] {
            let result = passwords.verify("nobody".into(), stored).await.unwrap();
            assert_eq!(result, Verified::Wrong);
        }
    }

    #[tokio::test]
    async fn composed_and_decomposed_passwords_are_equal_and_old_hashes_are_replaced() {
        let passwords = Passwords::new().unwrap();
        let (composed, decomposed) =
            ("caf\u{e9} r\u{e9}sum\u{e9}", "cafe\u{301} re\u{301}sume\u{301}");
        let new = passwords.hash(decomposed.into()).await.unwrap();
        for typed in [composed, decomposed] {
            let verified = passwords.verify(typed.into(), Some(new.clone())).await.unwrap();
            assert_eq!(verified, Verified::Correct);
        }
        for old in
            [old_hash(decomposed), old_hash(composed), old_hash("caf\u{e9}\u{a0}r\u{e9}sum\u{e9}")]
        {
            let typed = if old == old_hash(composed) || old == old_hash(decomposed) {
                composed
            } else {
                "caf\u{e9}\u{a0}r\u{e9}sum\u{e9}"
            };
            match passwords.verify(typed.into(), Some(old.clone())).await.unwrap() {
                Verified::Correct => assert_eq!(old, old_hash(composed)),
                Verified::CorrectRehashed(hash) => {
                    let again = passwords.verify(composed.into(), Some(hash)).await.unwrap();
                    assert_eq!(again, Verified::Correct, "{typed:?}");
                }
                Verified::Wrong => panic!("{typed:?}"),
            }
        }
    }

    #[tokio::test]
    async fn invisible_characters_pasted_with_a_password_are_ignored() {
        let passwords = Passwords::new().unwrap();
        let new = passwords.hash("a good password".into()).await.unwrap();
        for typed in
            ["\u{feff}a good password", "a good\u{200b} password\r\n", "a good password\u{202c}"]
        {
            let verified = passwords.verify(typed.into(), Some(new.clone())).await.unwrap();
            assert_eq!(verified, Verified::Correct, "{typed:?}");
        }
        // A password of an older release that contains them is typed exactly, in any normal form.
        let old = old_hash("caf\u{e9}\u{200b}");
        for (typed, expected) in [
            ("caf\u{e9}\u{200b}", Verified::Correct),
            ("cafe\u{301}\u{200b}", Verified::Correct),
            ("caf\u{e9}", Verified::Wrong),
        ] {
            let verified = passwords.verify(typed.into(), Some(old.clone())).await.unwrap();
            assert_eq!(verified, expected, "{typed:?}");
        }
    }

    #[test]
    fn first_line_strips_byte_order_mark_and_line_end() {
        for bytes in [
            "\u{feff}a good password\r\n".as_bytes(),
            b"a good password\n",
            b"a good password\rmore",
            b"a good password",
        ] {
            assert_eq!(first_line(bytes).unwrap(), "a good password");
        }
        assert!(first_line(&[0xff, 0xfe, b'a', 0]).is_err());
    }

    #[test]
    fn a_full_queue_does_not_delay_the_other() {
        let queues = Queues::default();
        let order = Arc::new(Mutex::new(Vec::new()));
        let job = |name: &'static str| -> HashJob {
            let order = Arc::clone(&order);
            Box::new(move |_| order.lock().unwrap().push(name))
        };
        for _ in 0..MAX_WAITING {
            queues.push(Purpose::Registration, job("registration")).unwrap();
        }
        assert!(queues.push(Purpose::Registration, job("one too many")).is_err());
        for _ in 0..3 {
            queues.push(Purpose::SignIn, job("sign-in")).unwrap();
        }
        for _ in 0..6 {
            queues.next().unwrap()(&mut Vec::new());
        }
        let order = order.lock().unwrap();
        assert_eq!(order.iter().filter(|n| **n == "sign-in").count(), 3, "{order:?}");
    }

    #[tokio::test]
    async fn hashes_reuse_one_memory_block() {
        let mut blocks = Vec::new();
        hash_in("a good long password", &mut blocks).unwrap();
        let (pointer, len) = (blocks.as_ptr(), blocks.len());
        assert_eq!(len, Params::default().block_count());
        for _ in 0..3 {
            let stored = hash_in("another good password", &mut blocks).unwrap();
            assert!(is_correct("another good password", &stored, &mut blocks).unwrap());
        }
        assert_eq!((blocks.as_ptr(), blocks.len()), (pointer, len));
    }
}

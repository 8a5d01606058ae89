//! A reply that is kept, its key, and its form in Redis.

use bytes::Bytes;

use crate::kinds::ReplyKind;

/// A reply that may be kept: its status is 200.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CachedReply {
    /// Names and values of headers.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

/// What is asked for, and the state of the database on which the reply depends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// The same for all states.
    pub(crate) resource: [u8; 32],
    /// Identifies the reply.
    pub(crate) entry: [u8; 32],
}

impl Key {
    /// `secret`: that of the server or tenant. Without it, nobody can tell what a key stands for, and keys of tenants
    /// are never equal.
    pub(crate) fn new(secret: &[u8; 32], kind: ReplyKind, resource: &[&str], state: &str) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(secret);
        for part in std::iter::once(&kind.rule().name).chain(resource) {
            // Lengths, so that the parts of two keys cannot be joined to the same text.
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        let resource = *hasher.finalize().as_bytes();
        hasher.update(&u64::MAX.to_le_bytes()).update(state.as_bytes());
        Self { resource, entry: *hasher.finalize().as_bytes() }
    }
}

/// A reply that is kept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) reply: CachedReply,
    pub(crate) stored_ms: i64,
    pub(crate) expires_ms: i64,
}

/// Estimated size of the parts of an entry besides its texts.
const OVERHEAD: usize = 256;

impl Entry {
    pub(crate) fn size(&self) -> usize {
        let headers = self.reply.headers.iter().map(|(name, value)| name.len() + value.len());
        OVERHEAD + headers.sum::<usize>() + self.reply.body.len()
    }
    /// Returns true if the entry may be used. An entry from the future is of a clock that was wrong.
    pub(crate) fn is_valid(&self, now_ms: i64) -> bool {
        (self.stored_ms..self.expires_ms).contains(&now_ms)
    }
    /// Returns the value for Redis: an authentication code, times, headers and body.
    pub(crate) fn to_value(&self, secret: &[u8; 32], key: &Key) -> Vec<u8> {
        let mut value = vec![0; blake3::OUT_LEN];
        value.extend(self.stored_ms.to_le_bytes());
        value.extend(self.expires_ms.to_le_bytes());
        value.extend((self.reply.headers.len() as u32).to_le_bytes());
        for text in self.reply.headers.iter().flat_map(|(name, value)| [name, value]) {
            value.extend((text.len() as u32).to_le_bytes());
            value.extend(text.as_bytes());
        }
        value.extend(&self.reply.body);
        let code = code(secret, key, &value[blake3::OUT_LEN..]);
        value[..blake3::OUT_LEN].copy_from_slice(code.as_bytes());
        value
    }
    /// Reads a value; `None` if this server, or another process of it, did not write it for this key.
    pub(crate) fn of_value(secret: &[u8; 32], key: &Key, value: Vec<u8>) -> Option<Self> {
        let value = Bytes::from(value);
        let (stored, content) = value.split_first_chunk::<{ blake3::OUT_LEN }>()?;
        // Compared in constant time.
        if blake3::Hash::from_bytes(*stored) != code(secret, key, content) {
            return None;
        }
        let mut rest = content;
        let stored_ms = i64::from_le_bytes(take(&mut rest)?);
        let expires_ms = i64::from_le_bytes(take(&mut rest)?);
        let count = u32::from_le_bytes(take(&mut rest)?);
        let headers = (0..count)
            .map(|_| Some((text(&mut rest)?, text(&mut rest)?)))
            .collect::<Option<Vec<_>>>()?;
        let body = value.slice_ref(rest);
        Some(Self { reply: CachedReply { headers, body }, stored_ms, expires_ms })
    }
}

/// Returns the code that proves that the content is that of the key. Who can write to Redis cannot make one.
fn code(secret: &[u8; 32], key: &Key, content: &[u8]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_keyed(secret);
    hasher.update(b"value").update(&key.entry).update(content);
    hasher.finalize()
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, others) = rest.split_first_chunk::<N>()?;
    *rest = others;
    Some(*first)
}

fn text(rest: &mut &[u8]) -> Option<String> {
    let length = u32::from_le_bytes(take(rest)?) as usize;
    let (text, others) = rest.split_at_checked(length)?;
    *rest = others;
    String::from_utf8(text.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: [u8; 32] = [7; 32];

    fn key(kind: ReplyKind, resource: &[&str], state: &str) -> Key {
        Key::new(&SECRET, kind, resource, state)
    }

    #[test]
    fn keys_differ_in_each_part() {
        let keys = [
            key(ReplyKind::List, &["/a", "b"], "1"),
            key(ReplyKind::List, &["/a", "b"], "2"),
            key(ReplyKind::List, &["/ab", ""], "1"),
            key(ReplyKind::List, &["/a", "c"], "1"),
            key(ReplyKind::List, &["/a", "b", ""], "1"),
            key(ReplyKind::Course, &["/a", "b"], "1"),
            Key::new(&[8; 32], ReplyKind::List, &["/a", "b"], "1"),
        ];
        for (index, a) in keys.iter().enumerate() {
            for b in &keys[index + 1..] {
                assert_ne!(a.entry, b.entry);
            }
        }
        // The resource does not depend on the state.
        assert_eq!(keys[0].resource, keys[1].resource);
        assert_ne!(keys[0].resource, keys[3].resource);
    }

    #[test]
    fn only_an_unchanged_value_of_the_same_key_is_read() {
        let headers = vec![("etag".to_owned(), "W/\"1\"".to_owned()), (String::new(), "é".into())];
        let reply = CachedReply { headers, body: Bytes::from_static(b"{\"items\":[]}") };
        let entry = Entry { reply, stored_ms: 5, expires_ms: 9 };
        let at = key(ReplyKind::List, &["/a"], "1");
        let value = entry.to_value(&SECRET, &at);
        assert_eq!(Entry::of_value(&SECRET, &at, value.clone()).unwrap(), entry);
        for end in 0..value.len() {
            assert_eq!(Entry::of_value(&SECRET, &at, value[..end].to_vec()), None);
            let mut changed = value.clone();
            changed[end] ^= 1;
            assert_eq!(Entry::of_value(&SECRET, &at, changed), None, "{end}");
        }
        let other = key(ReplyKind::List, &["/a"], "2");
        assert_eq!(Entry::of_value(&SECRET, &other, value.clone()), None);
        assert_eq!(Entry::of_value(&[8; 32], &at, value), None);
        assert!([4, 9].into_iter().all(|now| !entry.is_valid(now)));
        assert!([5, 8].into_iter().all(|now| entry.is_valid(now)));
    }
}

//! Reads the fields of a Protocol Buffers message. Anki's packages contain four small messages.

/// A value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    pub fn number(self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Bytes(_) => None,
        }
    }
    pub fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Number(_) => None,
        }
    }
    pub fn text(self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }
}

/// Returns the fields with their numbers in order; `None` if the message is damaged.
pub(super) fn fields(mut message: &[u8]) -> Option<Vec<(u64, Value<'_>)>> {
    let mut out = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message)?;
        let value = match key & 7 {
            0 => Value::Number(varint(&mut message)?),
            1 => Value::Bytes(take(&mut message, 8)?),
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                Value::Bytes(take(&mut message, length)?)
            }
            5 => Value::Bytes(take(&mut message, 4)?),
            _ => return None,
        };
        out.push((key >> 3, value));
    }
    Some(out)
}

/// Returns the last value of a field.
pub(super) fn field<'a>(message: &'a [u8], number: u64) -> Option<Value<'a>> {
    fields(message)?.into_iter().rev().find(|(n, _)| *n == number).map(|(_, value)| value)
}

fn take<'a>(message: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (value, rest) = message.split_at_checked(length)?;
    *message = rest;
    Some(value)
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_damage_is_found() {
        let message = b"\x08\x96\x01\x12\x02hi\x1d\0\0\0\0\xfa\x0f\x01x";
        let read = fields(message).unwrap();
        assert_eq!(read[0], (1, Value::Number(150)));
        assert_eq!(read[1].1.text().as_deref(), Some("hi"));
        assert_eq!((read[2].0, read[3].0), (3, 255));
        assert_eq!(field(message, 2).and_then(Value::text).as_deref(), Some("hi"));
        for damaged in
            [&b"\x12\x05hi"[..], b"\x80", b"\x0b", b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"]
        {
            assert_eq!(fields(damaged), None);
        }
    }
}

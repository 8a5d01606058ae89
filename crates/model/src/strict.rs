//! Deserialises structs from JSON objects only. Implementations derived by serde also accept an array of the fields,
//! which the protocol does not allow.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};

/// Reads a struct from JSON bytes. An array in its place is an error.
pub fn from_slice<'de, T: Deserialize<'de>>(json: &'de [u8]) -> serde_json::Result<T> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let value = object(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// For `#[serde(deserialize_with)]`: reads a struct from an object.
pub fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(d: D) -> Result<T, D::Error> {
    T::deserialize(Object(d))
}

/// Like `object`, for an optional struct with `#[serde(deserialize_with, default)]`.
pub fn option<'de, D: Deserializer<'de>, T: Deserialize<'de>>(d: D) -> Result<Option<T>, D::Error> {
    struct Strict<T>(T);
    impl<'de, T: Deserialize<'de>> Deserialize<'de> for Strict<T> {
        fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
            object(d).map(Self)
        }
    }
    Ok(Option::<Strict<T>>::deserialize(d)?.map(|s| s.0))
}

/// Deserialises structs as maps; forwards all other types.
struct Object<D>(D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Object<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(visitor)
    }
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(MapOnly(visitor))
    }
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(MapOnly(visitor))
    }
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        // `serde_json::value::RawValue` and others use a name that only the inner deserializer recognises.
        self.0.deserialize_newtype_struct(name, visitor)
    }
    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct seq tuple tuple_struct enum identifier ignored_any
    }
}

struct MapOnly<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for MapOnly<V> {
    type Value = V::Value;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object: ")?;
        self.0.expecting(f)
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{lattice::Position, wire::LoginRequest};

    #[test]
    fn an_array_is_rejected() {
        let id = "00000000-0000-0000-0000-000000000001";
        let object = format!(r#"{{"hlc":"000000000000000a","device":"{id}","at":"p3"}}"#);
        let array = format!(r#"["000000000000000a","{id}","p3"]"#);
        assert_eq!(from_slice::<Position>(object.as_bytes()).unwrap().at, "p3");
        assert!(serde_json::from_str::<Position>(&array).is_ok(), "serde accepts an array");
        assert!(from_slice::<Position>(array.as_bytes()).is_err());
        assert!(from_slice::<Position>(format!("{object} x").as_bytes()).is_err());
        let login = format!(r#"["noor","secret","{id}",""]"#);
        assert!(from_slice::<LoginRequest>(login.as_bytes()).is_err());
        for other in ["1", "null", "\"x\"", "[]", ""] {
            assert!(from_slice::<Position>(other.as_bytes()).is_err(), "{other}");
        }
    }
}

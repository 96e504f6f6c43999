//! Values as JSON (RFC 7047, section 5.1).

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, SeqAccess, Unexpected, Visitor},
    ser::SerializeTuple,
};

use super::{Atom, Datum, Uuid};

/// Tag that marks the kind of an array.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Tag {
    Uuid,
    NamedUuid,
    Set,
    Map,
}

impl Serialize for Atom {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Integer(number) => serializer.serialize_i64(*number),
            Self::Real(number) => serializer.serialize_f64(*number),
            Self::Boolean(truth) => serializer.serialize_bool(*truth),
            Self::String(text) => serializer.serialize_str(text),
            Self::Uuid(uuid) => tagged(serializer, Tag::Uuid, uuid),
            Self::NamedUuid(name) => tagged(serializer, Tag::NamedUuid, name),
        }
    }
}

impl Serialize for Datum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Set(atoms) if atoms.len() == 1 => atoms[0].serialize(serializer),
            Self::Set(atoms) => tagged(serializer, Tag::Set, atoms),
            Self::Map(pairs) => tagged(serializer, Tag::Map, pairs),
        }
    }
}

impl Serialize for Uuid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn tagged<S: Serializer>(serializer: S, tag: Tag, content: &impl Serialize) -> Result<S::Ok, S::Error> {
    let mut pair = serializer.serialize_tuple(2)?;
    pair.serialize_element(&tag)?;
    pair.serialize_element(content)?;
    pair.end()
}

impl<'de> Deserialize<'de> for Uuid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(UuidVisitor)
    }
}

impl<'de> Deserialize<'de> for Atom {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AtomVisitor)
    }
}

impl<'de> Deserialize<'de> for Datum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DatumVisitor)
    }
}

struct UuidVisitor;

impl Visitor<'_> for UuidVisitor {
    type Value = Uuid;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a UUID")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Uuid, E> {
        text.parse().map_err(E::custom)
    }
}

struct AtomVisitor;

impl<'de> Visitor<'de> for AtomVisitor {
    type Value = Atom;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, a truth, a string or a UUID")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Atom, E> {
        Ok(Atom::Integer(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Atom, E> {
        let number = i64::try_from(number).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))?;
        Ok(Atom::Integer(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Atom, E> {
        Ok(Atom::Real(number))
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Atom, E> {
        Ok(Atom::Boolean(truth))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Atom, E> {
        Ok(Atom::String(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Atom, A::Error> {
        match element(&mut seq, 0, &self)? {
            Tag::Uuid => Ok(Atom::Uuid(element(&mut seq, 1, &self)?)),
            _ => Err(A::Error::custom("a set, a map or a name where a single value should be")),
        }
    }
}

struct DatumVisitor;

impl<'de> Visitor<'de> for DatumVisitor {
    type Value = Datum;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, a set or a map")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Datum, E> {
        AtomVisitor.visit_i64(number).map(Datum::from)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Datum, E> {
        AtomVisitor.visit_u64(number).map(Datum::from)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Datum, E> {
        AtomVisitor.visit_f64(number).map(Datum::from)
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Datum, E> {
        AtomVisitor.visit_bool(truth).map(Datum::from)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Datum, E> {
        AtomVisitor.visit_str(text).map(Datum::from)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Datum, A::Error> {
        match element(&mut seq, 0, &self)? {
            Tag::Uuid => Ok(Atom::Uuid(element(&mut seq, 1, &self)?).into()),
            Tag::Set => Ok(Datum::set::<Atom>(element::<_, Vec<_>>(&mut seq, 1, &self)?)),
            Tag::Map => Ok(Datum::map::<Atom, Atom>(element::<_, Vec<_>>(&mut seq, 1, &self)?)),
            Tag::NamedUuid => Err(A::Error::custom("the name of a row where a row should be")),
        }
    }
}

fn element<'de, A: SeqAccess<'de>, T: Deserialize<'de>>(
    seq: &mut A,
    at: usize,
    expected: &dyn serde::de::Expected,
) -> Result<T, A::Error> {
    seq.next_element()?.ok_or_else(|| A::Error::invalid_length(at, expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "01234567-89ab-cdef-0123-456789abcdef";

    fn read(json: &str) -> Datum {
        serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
    }

    fn written(datum: impl Into<Datum>) -> String {
        serde_json::to_string(&datum.into()).unwrap()
    }

    #[test]
    fn a_bare_value_is_a_set_of_one() {
        assert_eq!(read("1"), read(r#"["set",[1]]"#));
        assert_eq!(read("-9223372036854775808").integer(), Some(i64::MIN));
        assert_eq!(read("1.5").real(), Some(1.5));
        assert_eq!(read("true").boolean(), Some(true));
        assert_eq!(read(r#""a\"ü\u00e4""#).string(), Some("a\"üä"));
        assert_eq!(read(&format!(r#"["uuid","{UUID}"]"#)).uuid().unwrap().to_string(), UUID);
    }

    #[test]
    fn sets_and_maps_are_read() {
        assert_eq!(read(r#"["set",["b","a"]]"#), Datum::set(["a", "b"]));
        assert_eq!(read(r#"["set",[]]"#), Datum::EMPTY);
        let uuid: Uuid = UUID.parse().unwrap();
        assert_eq!(read(&format!(r#"["map",[[100,["uuid","{UUID}"]]]]"#)), Datum::map([(100_i64, uuid)]));
    }

    #[test]
    fn a_set_of_one_is_written_bare() {
        assert_eq!(written(Datum::set(["a"])), r#""a""#);
        assert_eq!(written(Datum::EMPTY), r#"["set",[]]"#);
        assert_eq!(written(Datum::set([1_i64, 2])), r#"["set",[1,2]]"#);
        assert_eq!(written(Datum::map([("a", Atom::named("row1"))])), r#"["map",[["a",["named-uuid","row1"]]]]"#);
        assert_eq!(written(UUID.parse::<Uuid>().unwrap()), format!(r#"["uuid","{UUID}"]"#));
    }

    #[test]
    fn what_is_no_value_is_refused() {
        let named = r#"["named-uuid","row1"]"#;
        for json in
            ["null", "{}", "[]", r#"["uuid"]"#, r#"["uuid","x"]"#, r#"["set"]"#, r#"["set",[["set",[]]]]"#, named]
        {
            assert!(serde_json::from_str::<Datum>(json).is_err(), "{json}");
        }
        assert!(serde_json::from_str::<Datum>("9223372036854775808").is_err());
        assert!(serde_json::from_str::<Datum>(r#"["map",[["a"]]]"#).is_err());
        assert!(serde_json::from_str::<Datum>(r#"["uuid","x",1]"#).is_err());
    }
}

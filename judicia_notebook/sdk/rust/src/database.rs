//! SQL: `judicia:database`. Reading needs the capability `read_database`, changing `write_database`.
//!
//! A plugin has tables of its own, to make and to drop as it likes; the platform's tables are there where a grant names
//! them. Each call is one statement and one transaction. `$1` is the first parameter:
//!
//! ```
//! # use judicia_guest::database;
//! # use serde::Deserialize;
//! #[derive(Deserialize)]
//! struct Run { team: String, minute: i64 }
//!
//! # fn runs() -> Result<(), judicia_guest::Error> {
//! database::execute("INSERT INTO runs (team, minute) VALUES ($1, $2)", ("lund", 12))?;
//! let runs: Vec<Run> = database::query("SELECT team, minute FROM runs WHERE minute < $1", (60,))?;
//! let counts: Vec<(i64,)> = database::query("SELECT count(*) FROM runs", ())?;
//! # Ok(())
//! # }
//! ```
//!
//! - Parameters are what serde writes as a list: a tuple, a slice, a `Vec`; `()` for none.
//! - A row is a struct or a map, by the names of the columns, or a tuple or a `Vec<Value>`, in their order.
//! - Bytes are [`Bytes`], both ways.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Visitor};
use serde::{forward_to_deserialize_any, Deserialize, Serialize};
use serde_json::Value;

use crate::files::encode_base64;
use crate::host::{call, imports, Error};
use crate::random::decode_base64;

imports!("judicia:database": query, execute);

/// What a query gives, as it comes.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct Rows {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Value>>,
}

impl Rows {
    /// Reads each row as a value of the plugin's own type.
    ///
    /// # Errors
    /// `failed` for the first row that does not fit, with its number.
    pub fn read<T: DeserializeOwned>(self) -> Result<Vec<T>, Error> {
        let Rows { columns, rows } = self;
        let read = |(number, values)| {
            let row = Row { columns: &columns, values };
            T::deserialize(row).map_err(|error| failed(format!("row {}: {}", number + 1, error)))
        };
        rows.into_iter().enumerate().map(read).collect()
    }
}

/// Bytes as a parameter, or as the value of a column.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Encoded", into = "Encoded")]
pub struct Bytes(pub Vec<u8>);

#[derive(Deserialize, Serialize)]
struct Encoded {
    base64: String,
}

impl From<Bytes> for Encoded {
    fn from(bytes: Bytes) -> Self {
        Encoded { base64: encode_base64(&bytes.0) }
    }
}

impl TryFrom<Encoded> for Bytes {
    type Error = &'static str;

    fn try_from(encoded: Encoded) -> Result<Self, Self::Error> {
        decode_base64(&encoded.base64).map(Bytes).ok_or("this is not base64")
    }
}

#[derive(Serialize)]
struct Statement<'a> {
    sql: &'a str,
    #[serde(skip_serializing_if = "Value::is_null")]
    params: Value,
}

#[derive(Deserialize)]
struct Changed {
    rowcount: u64,
}

/// Runs a statement that only reads, and reads its rows.
///
/// # Errors
/// `capability_denied` without `read_database`, or without a grant for a platform table that the statement names;
/// `not_found` for a table that is not there; `bad_request` for what is no statement of this kind; `quota_exceeded` for
/// more than a query may give; `failed` for rows that do not fit `T`.
pub fn query<T: DeserializeOwned>(sql: &str, params: impl Serialize) -> Result<Vec<T>, Error> {
    query_rows(sql, params)?.read()
}

/// [`query`], with the names of the columns and the rows as they come.
///
/// # Errors
/// As [`query`].
pub fn query_rows(sql: &str, params: impl Serialize) -> Result<Rows, Error> {
    let statement = Statement { sql, params: values(params)? };
    // SAFETY: the import is a host function of ABI v1.
    unsafe { call(imports::query, &statement) }
}

/// Runs a statement that changes something: all of it, or nothing. Answers the number of rows it changed.
///
/// # Errors
/// `capability_denied` without `write_database`, or without a grant for a platform table that the statement names;
/// `conflict` where a constraint is against it; and as [`query`].
pub fn execute(sql: &str, params: impl Serialize) -> Result<u64, Error> {
    let statement = Statement { sql, params: values(params)? };
    // SAFETY: the import is a host function of ABI v1.
    let changed: Changed = unsafe { call(imports::execute, &statement) }?;
    Ok(changed.rowcount)
}

fn values(params: impl Serialize) -> Result<Value, Error> {
    serde_json::to_value(params).map_err(|error| failed(format!("parameters: {}", error)))
}

fn failed(message: String) -> Error {
    Error { code: "failed".into(), message }
}

/// One row on its way into a type: a map for those that have names, else a list.
struct Row<'c> {
    columns: &'c [String],
    values: Vec<Value>,
}

impl<'de, 'c> Row<'c> {
    fn by_name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, serde_json::Error> {
        let mut fields = MapDeserializer::new(self.columns.iter().map(String::as_str).zip(self.values));
        let read = visitor.visit_map(&mut fields)?;
        fields.end()?;
        Ok(read)
    }
}

impl<'de, 'c> Deserializer<'de> for Row<'c> {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        let mut fields = SeqDeserializer::new(self.values.into_iter());
        let read = visitor.visit_seq(&mut fields)?;
        fields.end()?;
        Ok(read)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.by_name(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.by_name(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeMap;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Run {
        minute: Option<i64>,
        team: String,
    }

    fn rows() -> Rows {
        let rows = vec![vec![json!("lund"), json!(12)], vec![json!("graz"), json!(null)]];
        Rows { columns: vec!["team".into(), "minute".into()], rows }
    }

    #[test]
    fn a_struct_is_read_by_the_names_of_the_columns() {
        let runs: Vec<Run> = rows().read().unwrap();
        assert_eq!(runs[0], Run { team: "lund".into(), minute: Some(12) });
        assert_eq!(runs[1], Run { team: "graz".into(), minute: None });
        let maps: Vec<BTreeMap<String, Value>> = rows().read().unwrap();
        assert_eq!(maps[1]["team"], "graz");
    }

    #[test]
    fn a_tuple_is_read_in_the_order_of_the_columns() {
        let pairs: Vec<(String, Option<i64>)> = rows().read().unwrap();
        assert_eq!(pairs, [("lund".to_string(), Some(12)), ("graz".to_string(), None)]);
        let values: Vec<Vec<Value>> = rows().read().unwrap();
        assert_eq!(values[0], [json!("lund"), json!(12)]);
    }

    #[test]
    fn a_row_that_does_not_fit_is_named() {
        let text = rows().read::<(String, i64)>().unwrap_err().message;
        assert!(text.starts_with("row 2: invalid type: null, expected i64"), "{}", text);
        let text = rows().read::<(String,)>().unwrap_err().message;
        assert!(text.starts_with("row 1: invalid length 2"), "{}", text);
    }

    #[test]
    fn parameters_are_a_list_and_none_are_not_sent() {
        let sent = |params| serde_json::to_string(&Statement { sql: "VALUES ($1, $2)", params }).unwrap();
        assert_eq!(sent(values((1, "a")).unwrap()), r#"{"sql":"VALUES ($1, $2)","params":[1,"a"]}"#);
        assert_eq!(sent(values(()).unwrap()), r#"{"sql":"VALUES ($1, $2)"}"#);
    }

    #[test]
    fn bytes_go_as_base64_both_ways() {
        let sent = serde_json::to_value(Bytes(b"hi\xff".to_vec())).unwrap();
        assert_eq!(sent, json!({ "base64": "aGn/" }));
        assert_eq!(serde_json::from_value::<Bytes>(sent).unwrap().0, b"hi\xff");
        assert!(serde_json::from_value::<Bytes>(json!({ "base64": "?" })).is_err());
    }
}

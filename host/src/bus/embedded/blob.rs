//! How values stand in SQLite's columns.

use rusqlite::types::Type;
use rusqlite::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::event::Fields;

/// Names and values in order, each with its length before it.
pub(super) fn encode(fields: &Fields) -> Vec<u8> {
    let mut blob = Vec::with_capacity(fields.size() + fields.0.len() * 8);
    for bytes in fields.0.iter().flat_map(|(name, value)| [name, value]) {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        blob.extend_from_slice(&length.to_le_bytes());
        blob.extend_from_slice(bytes);
    }
    blob
}

pub(super) fn decode(blob: &[u8]) -> Result<Fields> {
    let mut rest = blob;
    let mut fields = Fields::default();
    while !rest.is_empty() {
        let (name, value) = (take(&mut rest)?, take(&mut rest)?);
        fields.0.push((name, value));
    }
    Ok(fields)
}

fn take(rest: &mut &[u8]) -> Result<Vec<u8>> {
    let cut = || broken("the fields of an entry are cut off".into());
    let (length, after) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
    let length = u32::from_le_bytes(*length) as usize;
    let (bytes, after) = after.split_at_checked(length).ok_or_else(cut)?;
    *rest = after;
    Ok(bytes.to_vec())
}

pub(super) fn json<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| broken(error.into()))
}

pub(super) fn to_json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::ToSqlConversionFailure(error.into()))
}

pub(super) fn broken(error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::FromSqlConversionFailure(0, Type::Blob, error)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_fields_come_back_as_they_were(pairs: Vec<(Vec<u8>, Vec<u8>)>) {
            let fields = Fields(pairs);
            prop_assert_eq!(decode(&encode(&fields)).expect("decode"), fields);
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(blob: Vec<u8>) {
            let _ = decode(&blob);
        }
    }
}

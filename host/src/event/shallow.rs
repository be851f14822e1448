//! An object by its keys, without a look at what they hold.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::value::RawValue;

use super::Id;

/// The fields of a JSON object, whatever they hold and however deep it goes. A list is none,
/// and of a key that comes twice the last one counts, as in Lua.
pub(crate) struct Shallow<'a>(HashMap<Cow<'a, str>, &'a RawValue>);

impl<'a> Shallow<'a> {
    pub(crate) fn parse(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok().map(Self)
    }

    /// The JSON text of a field.
    pub(crate) fn json(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(|raw| raw.get())
    }

    /// A field that is a text.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.json(name)?).ok()
    }

    /// A field that is an id.
    pub(crate) fn id(&self, name: &str) -> Option<Id> {
        self.text(name)?.parse().ok()
    }
}

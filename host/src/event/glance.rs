//! What an entry says of itself at a glance, whether or not it is an event of the contract.

use std::borrow::Cow;

use super::shallow::Shallow;
use super::{EventType, Fields, Id};

/// The parts of an entry that decide who takes it, each where it can be read.
#[derive(Default)]
pub(crate) struct Glance<'a> {
    /// The name of its type, known or not.
    pub(crate) event_type: Option<Cow<'a, [u8]>>,
    pub(crate) event_id: Option<Id>,
    pub(crate) correlation_id: Option<Id>,
    /// Made readable where it is no UTF-8: an id can be found in it all the same.
    data: Option<Cow<'a, str>>,
}

impl<'a> Glance<'a> {
    pub(crate) fn of(fields: &'a Fields) -> Self {
        if let Some(whole) = fields.whole_event() {
            return Self::of_one_field(whole);
        }
        let text = |name| fields.get(name).map(String::from_utf8_lossy);
        let id = |name| text(name).and_then(|text| text.parse().ok());
        Self {
            event_type: fields.get("type").map(Cow::Borrowed),
            event_id: id("event_id"),
            correlation_id: id("correlation_id"),
            data: text("data"),
        }
    }

    fn of_one_field(whole: &[u8]) -> Self {
        let text = String::from_utf8_lossy(whole);
        let Some(whole) = Shallow::parse(&text) else {
            return Self::default();
        };
        Self {
            event_type: whole.text("type").map(|name| Cow::Owned(name.into_bytes())),
            event_id: whole.id("event_id"),
            correlation_id: whole.id("correlation_id"),
            data: whole.json("data").map(|data| Cow::Owned(data.to_owned())),
        }
    }

    /// Its type, where that is one of the contract.
    pub(crate) fn kind(&self) -> Option<EventType> {
        EventType::parse(std::str::from_utf8(self.event_type.as_ref()?).ok()?)
    }

    /// The aggregate that an event of this type names in its data: the first of the paths
    /// that is there counts, and must be an id.
    pub(crate) fn aggregate(&self, kind: EventType) -> Option<Id> {
        let data = Shallow::parse(self.data.as_deref()?)?;
        let paths = kind.aggregate().iter();
        paths.copied().find_map(|path| find(&data, path))?
    }
}

/// None where nothing is at the path, `Some(None)` where what is there is no id.
fn find(object: &Shallow<'_>, path: &str) -> Option<Option<Id>> {
    let (key, rest) = match path.split_once('.') {
        Some((key, rest)) => (key, Some(rest)),
        None => (path, None),
    };
    let value = object.json(key).filter(|json| *json != "null")?;
    match rest {
        None => Some(object.id(key)),
        Some(rest) => find(&Shallow::parse(value)?, rest),
    }
}

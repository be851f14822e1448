//! What differs between two JSON values, by path. Pure.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// A step into a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Into the field of an object.
    Key(String),
    /// To a place in a list.
    Index(usize),
}

/// Where in a value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Path(pub Vec<Step>);

impl Path {
    fn at(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }
}

impl fmt::Display for Path {
    /// As in `data.files[2].name`; names that would be mistaken for something else are quoted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if is_plain(key) && place == 0 => f.write_str(key)?,
                Step::Key(key) if is_plain(key) => write!(f, ".{key}")?,
                Step::Key(key) => write!(f, "[{key:?}]")?,
            }
        }
        Ok(())
    }
}

impl Serialize for Path {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn is_plain(key: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    !key.is_empty() && key.chars().all(plain)
}

/// One place at which two values differ. At least one side is there.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Where.
    pub path: Path,
    /// What was recorded there, where there was something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Value>,
    /// What is there now, where there is something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<Value>,
}

/// Where two values differ, as deep as both have the same shape; in the order of the paths.
/// Empty exactly where they are equal.
#[must_use]
pub fn differences(recorded: &Value, now: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    walk(&Path::default(), recorded, now, &mut found);
    found
}

fn walk(path: &Path, recorded: &Value, now: &Value, found: &mut Vec<Difference>) {
    match (recorded, now) {
        (Value::Object(recorded), Value::Object(now)) => objects(path, recorded, now, found),
        (Value::Array(recorded), Value::Array(now)) => lists(path, recorded, now, found),
        _ if recorded == now => {}
        _ => found.push(Difference {
            path: path.clone(),
            recorded: Some(recorded.clone()),
            now: Some(now.clone()),
        }),
    }
}

fn objects(
    path: &Path,
    recorded: &Map<String, Value>,
    now: &Map<String, Value>,
    found: &mut Vec<Difference>,
) {
    let added = now.keys().filter(|key| !recorded.contains_key(*key));
    let mut keys: Vec<&String> = recorded.keys().chain(added).collect();
    keys.sort_unstable();
    for key in keys {
        let path = path.at(Step::Key(key.clone()));
        pair(path, recorded.get(key), now.get(key), found);
    }
}

fn lists(path: &Path, recorded: &[Value], now: &[Value], found: &mut Vec<Difference>) {
    for index in 0..recorded.len().max(now.len()) {
        let path = path.at(Step::Index(index));
        pair(path, recorded.get(index), now.get(index), found);
    }
}

fn pair(path: Path, recorded: Option<&Value>, now: Option<&Value>, found: &mut Vec<Difference>) {
    if let (Some(recorded), Some(now)) = (recorded, now) {
        return walk(&path, recorded, now, found);
    }
    found.push(Difference {
        path,
        recorded: recorded.cloned(),
        now: now.cloned(),
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn shown(recorded: &Value, now: &Value) -> Vec<(String, Option<Value>, Option<Value>)> {
        differences(recorded, now)
            .into_iter()
            .map(|difference| {
                (
                    difference.path.to_string(),
                    difference.recorded,
                    difference.now,
                )
            })
            .collect()
    }

    #[test]
    fn a_difference_is_named_as_deep_as_both_have_the_same_shape() {
        let recorded = json!({ "a": { "b": [1, { "c": "x" }, 3] }, "d": 1, "e": null });
        let now = json!({ "a": { "b": [1, { "c": "y" }] }, "d": [1], "f.g": 2 });
        let expected = [
            ("a.b[1].c", Some(json!("x")), Some(json!("y"))),
            ("a.b[2]", Some(json!(3)), None),
            ("d", Some(json!(1)), Some(json!([1]))),
            ("e", Some(Value::Null), None),
            ("[\"f.g\"]", None, Some(json!(2))),
        ];
        let expected = expected.map(|(path, old, new)| (path.to_owned(), old, new));
        assert_eq!(shown(&recorded, &now), expected);
    }

    #[test]
    fn null_is_not_the_same_as_nothing() {
        assert_eq!(shown(&json!({ "a": null }), &json!({})).len(), 1);
        assert_eq!(shown(&json!([null]), &json!([])).len(), 1);
        assert_eq!(shown(&json!([]), &json!({})).len(), 1);
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-3_i64..3).prop_map(Value::from),
            "[ab.]{0,2}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[ab.]{0,2}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    /// Makes one side of a difference stand at its path.
    fn put(value: &mut Value, path: &[Step], side: Option<Value>) {
        let Some((step, rest)) = path.split_first() else {
            *value = side.expect("the whole value is there on both sides");
            return;
        };
        match (step, rest.is_empty()) {
            (Step::Key(key), false) => put(&mut value[key.as_str()], rest, side),
            (Step::Index(index), false) => put(&mut value[*index], rest, side),
            (Step::Key(key), true) => {
                let object = value.as_object_mut().expect("an object");
                match side {
                    Some(side) => drop(object.insert(key.clone(), side)),
                    None => drop(object.remove(key)),
                }
            }
            (Step::Index(index), true) => {
                let list = value.as_array_mut().expect("a list");
                match side {
                    Some(side) if *index == list.len() => list.push(side),
                    Some(side) => list[*index] = side,
                    None => list.truncate(*index),
                }
            }
        }
    }

    proptest! {
        #[test]
        fn the_differences_make_one_value_of_the_other(a in any_value(), b in any_value()) {
            let found = differences(&a, &b);
            prop_assert_eq!(found.is_empty(), a == b);
            let (mut forth, mut back) = (a.clone(), b.clone());
            for difference in &found {
                put(&mut forth, &difference.path.0, difference.now.clone());
                put(&mut back, &difference.path.0, difference.recorded.clone());
            }
            prop_assert_eq!(forth, b);
            prop_assert_eq!(back, a);
        }

        #[test]
        fn no_path_comes_twice(a in any_value(), b in any_value()) {
            let mut paths: Vec<String> = differences(&a, &b)
                .iter()
                .map(|difference| difference.path.to_string())
                .collect();
            let all = paths.len();
            paths.sort();
            paths.dedup();
            prop_assert_eq!(paths.len(), all);
        }
    }
}

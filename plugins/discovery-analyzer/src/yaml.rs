//! The texts in a YAML file, each with the keys above it.

use saphyr_parser::{Event, Parser};

/// Levels that are looked at. Deeper ones are passed over.
const DEEPEST: usize = 16;

/// A text in a YAML file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Scalar {
    /// The keys above it, outermost first. A list adds none.
    pub(crate) path: Vec<String>,
    pub(crate) text: String,
}

/// What is open at one level.
enum Level {
    List,
    /// With the key whose value is due, if any.
    Map(Option<String>),
}

/// The texts of the first document. Malformed YAML gives those before the error. Aliases
/// are not followed: they can stand for more than fits into memory.
pub(crate) fn scalars(text: &str) -> Vec<Scalar> {
    let mut found = Vec::new();
    let mut levels: Vec<Level> = Vec::new();
    for event in Parser::new_from_str(text) {
        let Ok((event, _)) = event else { break };
        match event {
            Event::Scalar(text, ..) => {
                if let Some(Level::Map(key @ None)) = levels.last_mut() {
                    *key = Some(text.into_owned());
                    continue;
                }
                if levels.len() <= DEEPEST {
                    found.push(Scalar {
                        path: keys(&levels),
                        text: text.into_owned(),
                    });
                }
                value_ended(&mut levels);
            }
            Event::Alias(_) => value_ended(&mut levels),
            Event::SequenceStart(..) => levels.push(Level::List),
            Event::MappingStart(..) => levels.push(Level::Map(None)),
            Event::SequenceEnd | Event::MappingEnd => {
                levels.pop();
                value_ended(&mut levels);
            }
            Event::DocumentEnd => break,
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) => {}
        }
    }
    found
}

fn keys(levels: &[Level]) -> Vec<String> {
    levels
        .iter()
        .filter_map(|level| match level {
            Level::Map(key) => key.clone(),
            Level::List => None,
        })
        .collect()
}

/// A map's next text is a key again. An alias or a whole map as a key counts as one, too.
fn value_ended(levels: &mut [Level]) {
    if let Some(Level::Map(key)) = levels.last_mut() {
        *key = match key.take() {
            Some(_) => None,
            None => Some(String::new()),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(yaml: &str) -> Vec<(String, String)> {
        scalars(yaml)
            .into_iter()
            .map(|scalar| (scalar.path.join("."), scalar.text))
            .collect()
    }

    fn pair(path: &str, text: &str) -> (String, String) {
        (path.to_owned(), text.to_owned())
    }

    #[test]
    fn texts_come_with_the_keys_above_them() {
        let yaml =
            "services:\n  db:\n    image: postgres:16\n    ports: ['5432:5432', x]\nname: shop\n";

        assert_eq!(
            texts(yaml),
            [
                pair("services.db.image", "postgres:16"),
                pair("services.db.ports", "5432:5432"),
                pair("services.db.ports", "x"),
                pair("name", "shop"),
            ]
        );
    }

    #[test]
    fn aliases_are_passed_over_wherever_they_stand() {
        let yaml = "a: &a {x: 1}\nb: *a\nc:\n  <<: *a\n  y: 2\n";

        assert_eq!(texts(yaml), [pair("a.x", "1"), pair("c.y", "2")]);
    }

    #[test]
    fn malformed_yaml_gives_what_comes_before_the_error() {
        assert_eq!(texts("a: 1\nb: [\n"), [pair("a", "1")]);
        assert_eq!(texts("\t\u{0}"), []);
    }

    #[test]
    fn endless_nesting_does_not_end_the_analyzer() {
        assert_eq!(texts(&"[".repeat(100_000)), []);
    }
}

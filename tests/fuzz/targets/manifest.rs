//! `plugin.toml`, `plugin.sig` and `hothouse.toml`: read, or refused with where and why.

use std::path::{Component, Path};

use hothouse::config::{Config, Problem};
use hothouse::plugin::{Manifest, SignatureFile};
use hothouse::sandbox::World;

pub(crate) fn holds(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Manifest::parse(&text) {
        Ok(manifest) => can_be_used(&manifest),
        Err(problems) => say_where_and_why(&problems),
    }
    match SignatureFile::parse(bytes) {
        Ok(signature) => {
            let again = SignatureFile::parse(signature.text().as_bytes());
            assert_eq!(again.expect("what we write"), signature);
        }
        Err(refused) => assert!(!refused.to_string().is_empty()),
    }
    match Config::parse(&text, Path::new("/etc/hothouse"), None) {
        Ok(config) => {
            for route in &config.routes {
                assert!(config.plugins.contains_key(&route.plugin), "{route:?}");
            }
        }
        Err(problems) => say_where_and_why(&problems),
    }
}

/// Whatever a plugin's author writes stays in the plugin's directory and on its line.
fn can_be_used(manifest: &Manifest) {
    let Manifest {
        name,
        description,
        component,
        emits,
        world,
        ..
    } = manifest;
    assert!(!name.is_empty() && name.is_ascii(), "{name:?}");
    assert!(
        !description.chars().any(char::is_control),
        "{description:?}"
    );
    let parts: Vec<_> = component.components().collect();
    assert!(matches!(parts[..], [Component::Normal(_)]), "{component:?}");
    assert!(emits.is_empty() || *world == World::Handler);
}

fn say_where_and_why(problems: &[Problem]) {
    assert!(!problems.is_empty());
    for problem in problems {
        assert!(!problem.message.is_empty(), "{problem:?}");
    }
}

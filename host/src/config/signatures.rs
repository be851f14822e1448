//! The table `[signatures]`.

use std::collections::BTreeMap;
use std::path::Path;

use super::Section;
use crate::plugin::{KeyError, PublicKey, SignaturePolicy, TrustedKeys};

/// How every PEM text begins. What begins otherwise is a path.
const PEM: &str = "-----BEGIN ";

pub(super) fn signatures(section: &mut Section<'_>, folder: &Path) -> SignaturePolicy {
    let required = section.get("require_signature").unwrap_or(false);
    let named: Option<BTreeMap<String, String>> = section.get("trusted_keys");
    if required && named.as_ref().is_none_or(BTreeMap::is_empty) {
        section.problem(
            "trusted_keys",
            "must name the keys where signatures are required: without one no plugin runs",
        );
    }
    let mut keys = TrustedKeys::none();
    for (name, text) in named.unwrap_or_default() {
        match trusted_key(&text, folder) {
            Ok(key) => {
                if let Err(other) = keys.add(name.clone(), key) {
                    section.problem("trusted_keys", format!("{name} and {other} are one key"));
                }
            }
            Err(problem) => section.problem("trusted_keys", format!("{name}: {problem}")),
        }
    }
    SignaturePolicy { required, keys }
}

/// A PEM text, or the path of one.
fn trusted_key(text: &str, folder: &Path) -> Result<PublicKey, String> {
    if text.trim_start().starts_with(PEM) {
        return PublicKey::from_pem(text.trim_start()).map_err(|error| error.to_string());
    }
    let path = folder.join(text);
    let named = |error: KeyError| format!("{} {error}", path.display());
    PublicKey::read(&path).map_err(named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::plugin::PrivateKey;

    fn read(signatures: &str, folder: &Path) -> Result<SignaturePolicy, Vec<String>> {
        let text = format!(
            "bus = 'memory:'\nplugins.p.path = 'p'\n\
             [[routes]]\ntype = 'agent.execution.started'\nplugin = 'p'\n[signatures]\n{signatures}"
        );
        match Config::parse(&text, folder, None) {
            Ok(config) => Ok(config.signatures),
            Err(problems) => Err(problems.iter().map(ToString::to_string).collect()),
        }
    }

    #[test]
    fn a_key_is_a_file_beside_the_configuration_or_stands_in_it() {
        let folder = tempfile::tempdir().expect("folder");
        let [one, two] = [(); 2].map(|()| PrivateKey::generate().expect("key").public());
        std::fs::write(folder.path().join("one.pub"), one.pem().expect("PEM")).expect("write");
        let inline = two.pem().expect("PEM");
        let text = format!(
            "require_signature = true\ntrusted_keys.one = 'one.pub'\n\
             trusted_keys.two = \"\"\"\n{inline}\"\"\""
        );
        let policy = read(&text, folder.path()).expect("policy");
        assert!(policy.required);
        for (name, key) in [("one", &one), ("two", &two)] {
            assert_eq!(policy.keys.find(&key.id()), Some((name, key)));
        }
    }

    #[test]
    fn what_is_no_public_key_is_named() {
        let folder = tempfile::tempdir().expect("folder");
        let key = PrivateKey::generate().expect("key");
        let write = |name, text: &str| std::fs::write(folder.path().join(name), text);
        write("public.pem", &key.public().pem().expect("PEM")).expect("write");
        write("private.pem", &key.pem().expect("PEM")).expect("write");
        write("long.pem", &" ".repeat(5000)).expect("write");
        for (text, part) in [
            ("require_signature = true", "must name the keys"),
            ("trusted_keys.a = 'absent.pem'", "absent.pem cannot be read"),
            (
                "trusted_keys.a = 'private.pem'",
                "private.pem is no ed25519 public key",
            ),
            (
                "trusted_keys.a = 'long.pem'",
                "long.pem is larger than 4096 bytes",
            ),
            (
                "trusted_keys.a = '-----BEGIN PUBLIC KEY-----'",
                "a: is no ed25519 public key",
            ),
            (
                "trusted_keys = { a = 'public.pem', b = 'public.pem' }",
                "b and a are one key",
            ),
            ("trusted = {}", "unknown key"),
        ] {
            let problems = read(text, folder.path()).expect_err(text);
            assert_eq!(problems.len(), 1, "{problems:#?}");
            assert!(problems[0].contains(part), "{problems:#?}");
        }
    }
}

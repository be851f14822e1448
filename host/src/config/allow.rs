//! `[plugins.NAME.allow]`: what an operator allows a plugin.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ipnet::IpNet;

use super::section::Section;
use crate::plugin::{
    Allowed, Directory, MountPoint, SecretSource, Variable, VariableName, overlap,
};

/// Values, or names of variables of the host.
#[derive(serde::Deserialize)]
#[serde(
    untagged,
    expecting = "expected { NAME = \"value\" }, or [\"NAME\"] for the host's own; names have \
                 letters, digits and `_`"
)]
enum Env {
    Values(BTreeMap<VariableName, String>),
    Names(BTreeSet<VariableName>),
}

/// Where secrets are from. Whatever is wrong with them, no value is shown: one that stands here
/// may be the secret itself.
#[derive(serde::Deserialize)]
#[serde(
    untagged,
    expecting = "expected { NAME = { env = \"VARIABLE\" } } or { NAME = { file = \"PATH\" } }: a \
                 secret's value does not stand in the configuration; names have letters, digits \
                 and `_`"
)]
enum Secrets {
    Sources(BTreeMap<VariableName, SecretSource>),
}

fn secrets(section: &mut Section<'_>, folder: &Path) -> BTreeMap<VariableName, SecretSource> {
    let Some(Secrets::Sources(mut sources)) = section.get("secrets") else {
        return BTreeMap::new();
    };
    for source in sources.values_mut() {
        match source {
            SecretSource::Env(_) | SecretSource::Given(_) => {}
            SecretSource::File(path) => *path = folder.join(&path),
        }
    }
    sources
}

/// Relative paths are relative to `folder`.
pub(super) fn allow(section: &mut Section<'_>, folder: &Path) -> Allowed {
    let repository = section.get("repository");
    let mut directories: BTreeMap<MountPoint, Directory> =
        section.get("directories").unwrap_or_default();
    if let Some((outer, inner)) = overlap(&directories.keys().cloned().collect()) {
        section.problem("directories", format!("{inner} is in {outer}"));
    }
    for directory in directories.values_mut() {
        directory.path = folder.join(&directory.path);
    }
    let env = match section.get("env") {
        Some(Env::Values(values)) => values
            .into_iter()
            .map(|(name, value)| (name, Variable::Value(value)))
            .collect(),
        Some(Env::Names(names)) => names
            .into_iter()
            .map(|name| (name, Variable::OfTheHost))
            .collect(),
        None => BTreeMap::new(),
    };
    Allowed {
        repository,
        directories,
        env,
        secrets: secrets(section, folder),
        allowed_outbound_hosts: section.get("allowed_outbound_hosts").unwrap_or_default(),
        allowed_private_networks: networks(section),
    }
}

fn networks(section: &mut Section<'_>) -> Vec<IpNet> {
    let key = "allowed_private_networks";
    let texts: Vec<String> = section.get(key).unwrap_or_default();
    let mut networks = Vec::new();
    for text in texts {
        match text.parse::<IpNet>() {
            // Mapped addresses are the IPv4 addresses that they carry, so it would never match.
            Ok(IpNet::V6(network)) if network.addr().to_ipv4_mapped().is_some() => section.problem(
                key,
                format!("{text:?} is written as IPv6: write the IPv4 network that it carries"),
            ),
            Ok(network) => networks.push(network),
            Err(_) => section.problem(
                key,
                format!("{text:?} is no network: expected one like \"10.0.0.0/8\""),
            ),
        }
    }
    networks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Problem, parse};
    use crate::sandbox::Access;

    fn read(text: &str) -> Result<Allowed, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut section = Section::root(parse(text).expect("TOML"), &mut problems);
        let allowed = allow(&mut section, Path::new("/etc/hothouse"));
        section.finish();
        match problems.is_empty() {
            true => Ok(allowed),
            false => Err(problems),
        }
    }

    fn name(text: &str) -> VariableName {
        text.to_owned().try_into().expect("a name")
    }

    #[test]
    fn every_key_is_read_and_paths_are_relative_to_the_file() {
        let allowed = read(
            r#"
            repository = "write"
            directories = { "/cache" = { path = "cache", access = "write" } }
            env = { LOG_LEVEL = "info" }
            secrets = { A = { env = "MY_TOKEN" }, B = { file = "secrets/b" } }
            allowed_outbound_hosts = ["https://api.example.com:443"]
            allowed_private_networks = ["10.0.0.0/8", "fd00::/8"]
            "#,
        )
        .expect("every key is known");
        assert_eq!(allowed.repository, Some(Access::Write));
        let directory = allowed.directories.values().next().expect("a directory");
        assert_eq!(directory.path, Path::new("/etc/hothouse/cache"));
        assert_eq!(
            allowed.env[&name("LOG_LEVEL")],
            Variable::Value("info".into())
        );
        assert_eq!(
            allowed.secrets[&name("A")],
            SecretSource::Env(name("MY_TOKEN"))
        );
        assert_eq!(
            allowed.secrets[&name("B")],
            SecretSource::File("/etc/hothouse/secrets/b".into())
        );
        assert_eq!(allowed.allowed_private_networks.len(), 2);
        let allowed = read("env = ['HOME']").expect("names");
        assert_eq!(allowed.env[&name("HOME")], Variable::OfTheHost);
    }

    #[test]
    fn a_value_in_the_place_of_a_secrets_source_is_not_shown() {
        for text in [
            "secrets = { API_TOKEN = 'hunter2' }",
            "secrets = { API_TOKEN = { value = 'hunter2' } }",
            "secrets = { API_TOKEN = { env = 'hunter2!' } }",
            "secrets = { API_TOKEN = { env = 'A', value = 'hunter2' } }",
            "secrets = { API_TOKEN = ['hunter2'] }",
            "secrets = { 'hunter2!' = { env = 'A' } }",
            "secrets = 'hunter2'",
            "env = 'hunter2'",
            "env = { A = ['hunter2'] }",
        ] {
            let problems = read(text).expect_err(text);
            assert_eq!(problems.len(), 1, "{text}");
            let shown = problems[0].to_string();
            assert!(!shown.contains("hunter2"), "{text}: {shown}");
            assert!(shown.contains(": expected {"), "{text}: {shown}");
        }
    }

    #[test]
    fn a_mistake_of_syntax_is_named_by_its_line_which_is_not_shown() {
        let problems = parse("a = 1\nbus = 'rediss://user:hunter2@host\n").expect_err("no TOML");
        let shown = problems[0].to_string();
        assert!(shown.starts_with("syntax: line 2: "), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn every_mistake_is_reported_at_its_key() {
        let problems = read(
            r#"
            repository = "all"
            directories = { "cache" = { path = "cache", access = "write" } }
            env = { "A-B" = "1" }
            secrets = { A = { env = "A", file = "a" } }
            allowed_private_networks = ["10.0.0.0/99", "::ffff:10.0.0.0/104"]
            files = []
            "#,
        )
        .expect_err("mistakes");
        let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
        for at in [
            "repository",
            "directories",
            "env",
            "secrets",
            "allowed_private_networks",
            "files",
        ] {
            assert!(
                text.iter().any(|line| line.starts_with(at)),
                "{at}: {text:#?}"
            );
        }
        assert_eq!(text.len(), 7, "{text:#?}");
    }
}

//! `plugin.toml`: what a plugin says of itself and asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path, PathBuf};

use semver::Version;

use super::files::read_small;
use super::grants::{Grant, Needs};
use super::names::{MountPoint, VariableName, overlap};
use crate::config::{self, Problem, Section};
use crate::event::EventType;
use crate::sandbox::{Access, LimitsPatch, Origin, World};

/// Largest `plugin.toml`, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// A checked manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Names the plugin in outcomes.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// The world that its component exports.
    pub world: World,
    /// One line for people.
    pub description: String,
    /// The component's file, beside the manifest.
    pub component: PathBuf,
    /// Types that it may emit; for handlers alone.
    pub emits: Vec<EventType>,
    /// What it asks for.
    pub needs: Needs,
    /// Limits that it asks for.
    pub limits: LimitsPatch,
}

/// The manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It cannot be read.
    #[error("cannot read {path}: {reason}", path = .path.display())]
    Unreadable {
        /// Where it should be.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// It says what it should not.
    #[error("{path} has mistakes: {}", .problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "), path = .path.display())]
    Invalid {
        /// Which.
        path: PathBuf,
        /// Every mistake.
        problems: Vec<Problem>,
    },
}

impl Manifest {
    /// Name of the file in a plugin's directory.
    pub const FILE: &'static str = "plugin.toml";

    /// Reads the manifest of a plugin's directory.
    ///
    /// # Errors
    /// [`ManifestError`], with every mistake at once.
    pub fn load(directory: &Path) -> Result<Self, ManifestError> {
        Self::load_with_text(directory).map(|(manifest, _)| manifest)
    }

    /// As [`load`](Self::load), with the text that it was read from: what a signature covers.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_with_text(directory: &Path) -> Result<(Self, String), ManifestError> {
        let path = directory.join(Self::FILE);
        let text = read_small(&path, MAX_FILE).and_then(|bytes| {
            String::from_utf8(bytes)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.utf8_error()))
        });
        let text = text.map_err(|reason| ManifestError::Unreadable {
            path: path.clone(),
            reason,
        })?;
        match Self::parse(&text) {
            Ok(manifest) => Ok((manifest, text)),
            Err(problems) => Err(ManifestError::Invalid { path, problems }),
        }
    }

    /// Checks the text of a manifest.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let table = config::parse(text)?;
        let mut problems = Vec::new();
        let mut root = Section::root(table, &mut problems);
        let name: Option<String> = root.require("name");
        let version: Option<Version> = root.require("version");
        let world: Option<World> = root.require("world");
        let description: String = root.get("description").unwrap_or_default();
        let component: Option<PathBuf> = root.get("component");
        let emits = emits(&mut root, world);
        let needs = root.section("needs", needs).unwrap_or_default();
        let limits = root.get("limits").unwrap_or_default();
        if let Some(name) = &name
            && !is_plugin_name(name)
        {
            root.problem("name", "use lower-case letters, digits and `-`");
        }
        if description.chars().any(char::is_control) {
            root.problem("description", "must be one line without control characters");
        }
        if let Some(component) = &component
            && !is_file_name(component)
        {
            root.problem("component", "must be a file beside the manifest");
        }
        root.finish();
        match (name, version, world) {
            (Some(name), Some(version), Some(world)) if problems.is_empty() => Ok(Self {
                component: component.unwrap_or_else(|| format!("{name}.wasm").into()),
                name,
                version,
                world,
                description,
                emits,
                needs,
                limits,
            }),
            _ => Err(problems),
        }
    }

    /// Where the component of a plugin in `directory` is.
    #[must_use]
    pub fn component_path(&self, directory: &Path) -> PathBuf {
        directory.join(&self.component)
    }
}

fn needs(section: &mut Section<'_>) -> Needs {
    let repository: Option<Access> = section.get("repository");
    let directories: BTreeMap<MountPoint, Access> = section.get("directories").unwrap_or_default();
    let env: BTreeSet<VariableName> = section.get("env").unwrap_or_default();
    let secrets: BTreeSet<VariableName> = section.get("secrets").unwrap_or_default();
    let origins: BTreeSet<Origin> = section.get("allowed_outbound_hosts").unwrap_or_default();
    if let Some((outer, inner)) = overlap(&directories.keys().cloned().collect()) {
        section.problem("directories", format!("{inner} is in {outer}"));
    }
    for name in env.intersection(&secrets) {
        section.problem("secrets", format!("{name} stands under `env` too"));
    }
    let directories = directories.into_iter();
    let mut needs: BTreeSet<Grant> = directories
        .map(|(at, access)| Grant::Directory(at, access))
        .collect();
    needs.extend(repository.map(Grant::Repository));
    needs.extend(env.into_iter().map(Grant::Env));
    needs.extend(secrets.into_iter().map(Grant::Secret));
    needs.extend(origins.into_iter().map(Grant::OutboundHost));
    Needs(needs)
}

fn emits(root: &mut Section<'_>, world: Option<World>) -> Vec<EventType> {
    let names: Vec<String> = root.get("emits").unwrap_or_default();
    if !names.is_empty() && world != Some(World::Handler) {
        root.problem("emits", "only world handler emits events of its choice");
    }
    let mut types = Vec::new();
    for name in names {
        match EventType::parse(&name) {
            Some(kind) => types.push(kind),
            None => root.problem("emits", format!("{name:?} is not a type of the contract")),
        }
    }
    types
}

/// Not `..` or `/`, which are one part of a path too.
fn is_file_name(path: &Path) -> bool {
    let mut parts = path.components();
    matches!(
        (parts.next(), parts.next()),
        (Some(Component::Normal(_)), None)
    )
}

/// Names stand in the `source` of events and in file names.
fn is_plugin_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_component_is_named_after_the_plugin_unless_it_says_otherwise() {
        let manifest =
            Manifest::parse("name = 'a-b'\nversion = '1.2.0'\nworld = 'agent'").expect("manifest");
        assert_eq!(
            manifest.component_path(Path::new("plugins/a-b")),
            Path::new("plugins/a-b/a-b.wasm")
        );
    }

    #[test]
    fn a_component_is_a_file_beside_the_manifest() {
        for path in ["..", ".", "/", "/a.wasm", "a/b.wasm", "../a.wasm", ""] {
            let text =
                format!("name = 'a'\nversion = '1.2.0'\nworld = 'agent'\ncomponent = '{path}'");
            let problems = Manifest::parse(&text).expect_err(path);
            assert_eq!(problems[0].at, "component", "{path}");
        }
    }

    #[test]
    fn what_is_no_file_or_too_large_is_no_manifest() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(Manifest::FILE);
        let refused = || match Manifest::load(folder.path()).expect_err("no manifest") {
            ManifestError::Unreadable { reason, .. } => reason,
            ManifestError::Invalid { problems, .. } => panic!("{problems:?}"),
        };
        std::os::unix::fs::symlink("/dev/zero", &path).expect("a link");
        assert_eq!(refused().to_string(), "it is no file");
        std::fs::remove_file(&path).expect("remove");
        let text = "name = 'a'\nversion = '1.2.0'\nworld = 'agent'\n#";
        std::fs::write(&path, text.to_owned() + &" ".repeat(1 << 20)).expect("write");
        assert_eq!(refused().kind(), io::ErrorKind::FileTooLarge);
        std::fs::write(&path, b"\xff").expect("write");
        assert_eq!(refused().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn every_mistake_of_a_manifest_is_reported_at_once() {
        let problems = Manifest::parse(
            "name = 'A B'\nversion = 'one'\nworld = 'agent'\nemits = ['no.such']\nicon = 'x'\n\
             component = '../../etc/passwd'\n[needs]\nrepository = 'all'\nnet = true\n\
             directories = { '/a' = 'read', '/a/b' = 'write' }\nenv = ['A']\nsecrets = ['A']",
        )
        .expect_err("mistakes");
        let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
        for at in [
            "name",
            "version",
            "emits",
            "icon",
            "component",
            "needs.repository",
            "needs.net",
            "needs.directories",
            "needs.secrets",
        ] {
            assert!(
                text.iter().any(|line| line.starts_with(at)),
                "{at}: {text:#?}"
            );
        }
    }
}

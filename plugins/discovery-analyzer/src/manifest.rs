//! The files in which projects name what they depend on.

mod cargo;
mod go;
mod jvm;
mod node;
mod python;

use std::collections::BTreeSet;

use crate::language::Language;
use crate::tree::{Tree, is_beside_services, split};

pub(crate) use cargo::workspace_members as cargo_members;
pub(crate) use go::workspace_members as go_members;
pub(crate) use node::{pnpm_members, workspace_members as npm_members};

/// Manifests that are read; a monorepo with more is told by these. Nearest to the root first.
const MOST_MANIFESTS: usize = 100;

/// One manifest.
#[derive(Debug)]
pub(crate) struct Manifest {
    pub(crate) path: String,
    pub(crate) language: Language,
    /// What the project needs to run, by the names of its ecosystem, in lower case. Empty
    /// for a manifest that could not be read: that it is there still tells the language.
    pub(crate) dependencies: BTreeSet<String>,
    pub(crate) is_readable: bool,
}

/// What a parser gives: None where the text is malformed.
type Parsed = Option<BTreeSet<String>>;
type Parse = fn(&str) -> Parsed;

/// Reads the manifests of a repository, without those of its tests and examples.
pub(crate) fn read_all(tree: &Tree) -> Vec<Manifest> {
    let mut found: Vec<_> = tree
        .files()
        .filter(|path| !is_beside_services(path))
        .filter_map(|path| Some((path, kind(split(path).1)?)))
        .collect();
    found.sort_by_key(|&(path, _)| (path.matches('/').count(), path));
    found
        .into_iter()
        .take(MOST_MANIFESTS)
        .map(|(path, (language, parse))| {
            let parsed = tree.read(path).and_then(|text| parse(&text));
            Manifest {
                path: path.to_owned(),
                language,
                is_readable: parsed.is_some(),
                dependencies: parsed
                    .unwrap_or_default()
                    .into_iter()
                    .map(|name| name.to_lowercase())
                    .collect(),
            }
        })
        .collect()
}

fn kind(name: &str) -> Option<(Language, Parse)> {
    match name {
        "package.json" => Some((Language::Nodejs, node::package_json)),
        "pyproject.toml" => Some((Language::Python, python::pyproject)),
        "Pipfile" => Some((Language::Python, python::pipfile)),
        "Cargo.toml" => Some((Language::Rust, cargo::cargo_toml)),
        "go.mod" => Some((Language::Go, go::go_mod)),
        "pom.xml" => Some((Language::Java, jvm::pom)),
        "build.gradle" | "build.gradle.kts" => Some((Language::Java, jvm::gradle)),
        name if name.starts_with("requirements") && name.ends_with(".txt") => {
            // What only the tests need says nothing of what the service is.
            let is_for_development = name.contains("dev") || name.contains("test");
            (!is_for_development).then_some((Language::Python, python::requirements))
        }
        _ => None,
    }
}

//! The names of the services that a repository is made of.
//!
//! The first of these that finds any decides:
//! 1. services with a folder each: `services/*`, `apps/*`, Go's `cmd/*`, and what a compose
//!    file builds from a folder of its own;
//! 2. members of a workspace (npm, pnpm, Cargo, Go);
//! 3. `packages/*`;
//! 4. folders of one service's code: `src/modules/*` and its like, `src/*`, `app/*`,
//!    `internal/*`, Python's packages.

use std::collections::BTreeSet;

use crate::compose;
use crate::language::Language;
use crate::manifest::{cargo_members, go_members, npm_members, pnpm_members};
use crate::tree::{Tree, is_beside_services, joined, split};

/// More would say nothing.
const MOST: usize = 100;

/// Folders of code that are part of a service, and none themselves.
const NO_SERVICES: &[&str] = &[
    "__tests__",
    "assets",
    "bin",
    "common",
    "components",
    "config",
    "constants",
    "db",
    "docs",
    "examples",
    "fixtures",
    "helpers",
    "hooks",
    "interfaces",
    "lib",
    "libs",
    "middleware",
    "middlewares",
    "migrations",
    "mocks",
    "pkg",
    "public",
    "scripts",
    "shared",
    "spec",
    "styles",
    "test",
    "tests",
    "types",
    "util",
    "utils",
];

/// The names, sorted, in lower case.
pub(crate) fn boundaries(tree: &Tree) -> Vec<String> {
    let rules: [fn(&Tree) -> BTreeSet<String>; 4] =
        [separate_services, workspace_members, packages, code_folders];
    rules
        .iter()
        .map(|rule| rule(tree))
        .find(|names| !names.is_empty())
        .unwrap_or_default()
        .into_iter()
        .take(MOST)
        .collect()
}

fn separate_services(tree: &Tree) -> BTreeSet<String> {
    let mut names = code_in(tree, "services");
    names.extend(code_in(tree, "apps"));
    names.extend(code_in(tree, "cmd"));
    for service in compose::services(tree) {
        let folder = service.built_from.as_deref().map(plain);
        if folder.is_some_and(|folder| !folder.is_empty() && has_code(tree, folder)) {
            names.insert(service.name.to_lowercase());
        }
    }
    names
}

fn workspace_members(tree: &Tree) -> BTreeSet<String> {
    let members = |path: &str, parse: fn(&str) -> Vec<String>| {
        tree.read(path).map(|text| parse(&text)).unwrap_or_default()
    };
    let mut patterns = members("package.json", npm_members);
    patterns.extend(members("pnpm-workspace.yaml", pnpm_members));
    patterns.extend(members("Cargo.toml", cargo_members));
    patterns.extend(members("go.work", go_members));

    let mut names = BTreeSet::new();
    for pattern in &patterns {
        let pattern = plain(pattern);
        // The root is a member of its own workspace: no service beside the others.
        if pattern.is_empty() {
            continue;
        }
        // `libs/*` and `libs/**`; a `*` anywhere else is rare enough.
        let folder = pattern.trim_end_matches('*');
        if folder.len() < pattern.len() {
            names.extend(code_in(tree, folder.trim_end_matches('/')));
        } else if !is_beside_services(folder) && has_code(tree, folder) {
            names.insert(split(folder).1.to_lowercase());
        }
    }
    names
}

fn packages(tree: &Tree) -> BTreeSet<String> {
    code_in(tree, "packages")
}

fn code_folders(tree: &Tree) -> BTreeSet<String> {
    const PLACES: [&str; 9] = [
        "src/modules",
        "src/services",
        "src/features",
        "src/domains",
        "src/main/java",
        "src/main/kotlin",
        "src",
        "app",
        "internal",
    ];
    PLACES
        .iter()
        .map(|place| code_in(tree, &past_only_folders(tree, place)))
        .find(|names| !names.is_empty())
        .unwrap_or_else(|| python_packages(tree))
}

/// Packages in the root, as Django lays them.
fn python_packages(tree: &Tree) -> BTreeSet<String> {
    code_in(tree, "")
        .into_iter()
        .filter(|name| tree.has(&format!("{name}/__init__.py")))
        .collect()
}

/// Names of the folders right in a folder that hold code, without those that are part of a
/// service only.
fn code_in(tree: &Tree, folder: &str) -> BTreeSet<String> {
    tree.folders_in(folder)
        .into_iter()
        .filter(|name| !name.starts_with('.'))
        .filter(|name| has_code(tree, &joined(folder, name)))
        .map(str::to_lowercase)
        .filter(|name| !NO_SERVICES.contains(&name.as_str()))
        .collect()
}

/// Goes down while there is one folder, with folders in it and no code beside it:
/// `com/example/shop`, or the one package of a Python project.
fn past_only_folders(tree: &Tree, folder: &str) -> String {
    let mut folder = folder.to_owned();
    loop {
        let folders = tree.folders_in(&folder);
        let has_code_of_its_own = tree.below(&folder).any(|path| {
            let (parent, name) = split(path);
            parent == folder && name != "__init__.py" && Language::of_source(name).is_some()
        });
        let next = folders.first().map(|only| joined(&folder, only));
        match next {
            Some(next)
                if folders.len() == 1
                    && !has_code_of_its_own
                    && !tree.folders_in(&next).is_empty() =>
            {
                folder = next;
            }
            Some(_) | None => return folder,
        }
    }
}

fn has_code(tree: &Tree, folder: &str) -> bool {
    tree.below(folder)
        .any(|path| Language::of_source(path).is_some())
}

/// A folder as files of settings spell it, without `./` and `/` around it.
fn plain(folder: &str) -> &str {
    let folder = folder.trim_start_matches("./").trim_end_matches('/');
    if folder == "." { "" } else { folder }
}

//! How risky it is to let agents change a repository.
//!
//! A sum of factors, each of which can be seen and mended, cut at 1:
//!
//! | factor | adds |
//! |---|---|
//! | any change at all | 0.05 |
//! | no tests | 0.25 |
//! | secrets in the tree, such as `.env` or a private key | 0.25 |
//! | no lock file, where there is a manifest | 0.10 |
//! | no CI | 0.10 |
//! | no README | 0.05 |
//! | the language cannot be told | 0.10 |
//! | a manifest that cannot be read | 0.05 |
//! | each service after the first | 0.025, at most 0.20 |
//! | more than 500 files, more than 2,000, more than are listed | 0.05, 0.10, 0.15 |

use crate::manifest::Manifest;
use crate::tree::{Tree, split};

/// One thing that adds to the risk. In thousandths, so that sums are exact.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Factor {
    pub(crate) reason: String,
    pub(crate) thousandths: u32,
}

fn factor(reason: impl Into<String>, thousandths: u32) -> Factor {
    Factor {
        reason: reason.into(),
        thousandths,
    }
}

/// What adds to the risk of a repository.
pub(crate) fn factors(
    tree: &Tree,
    manifests: &[Manifest],
    knows_language: bool,
    services: usize,
) -> Vec<Factor> {
    let mut found = vec![factor("any change at all", 50)];
    if !tree.files().any(is_test) {
        found.push(factor("no tests", 250));
    }
    if let Some(secret) = secret(tree) {
        found.push(factor(format!("a secret in the tree: {secret}"), 250));
    }
    if !manifests.is_empty() && !tree.files().any(|path| is_lock_file(split(path).1)) {
        found.push(factor("no lock file", 100));
    }
    if !tree.files().any(is_ci) {
        found.push(factor("no CI", 100));
    }
    let is_readme = |path: &str| path.to_lowercase().starts_with("readme");
    if !tree.files().any(is_readme) {
        found.push(factor("no README", 50));
    }
    if !knows_language {
        found.push(factor("the language cannot be told", 100));
    }
    if let Some(broken) = manifests.iter().find(|manifest| !manifest.is_readable) {
        found.push(factor(format!("cannot be read: {}", broken.path), 50));
    }
    if services > 1 {
        let more = u32::try_from(services - 1).unwrap_or(u32::MAX);
        found.push(factor(
            format!("{services} services"),
            more.saturating_mul(25).min(200),
        ));
    }
    let size = match tree.len() {
        _ if tree.is_cut => 150,
        2001.. => 100,
        501.. => 50,
        _ => 0,
    };
    if size > 0 {
        found.push(factor(format!("{} files or more", tree.len()), size));
    }
    found
}

/// The sum of the factors, 0 to 1.
pub(crate) fn score(factors: &[Factor]) -> f64 {
    let sum: u32 = factors.iter().map(|factor| factor.thousandths).sum();
    f64::from(sum.min(1000)) / 1000.0
}

fn is_test(path: &str) -> bool {
    let (folder, name) = split(path);
    let is_code = crate::language::Language::of_source(name).is_some();
    let in_tests = folder
        .split('/')
        .any(|part| matches!(part, "test" | "tests" | "__tests__" | "spec" | "specs"));
    let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
    let named_test = name.contains(".test.")
        || name.contains(".spec.")
        || stem.starts_with("test_")
        || stem.ends_with("_test")
        || stem.ends_with("_spec")
        || stem.ends_with("Test");
    is_code && (in_tests || named_test)
}

fn is_lock_file(name: &str) -> bool {
    matches!(
        name,
        "Cargo.lock"
            | "Pipfile.lock"
            | "bun.lock"
            | "go.sum"
            | "go.work.sum"
            | "gradle.lockfile"
            | "npm-shrinkwrap.json"
            | "package-lock.json"
            | "pdm.lock"
            | "pnpm-lock.yaml"
            | "poetry.lock"
            | "uv.lock"
            | "yarn.lock"
            // Maven has none: versions in it are exact.
            | "pom.xml"
    )
}

fn is_ci(path: &str) -> bool {
    path.starts_with(".github/workflows/")
        || path.starts_with(".circleci/")
        || path.starts_with(".buildkite/")
        || path.starts_with(".ci/")
        || matches!(
            path,
            ".gitlab-ci.yml"
                | ".travis.yml"
                | ".drone.yml"
                | "Jenkinsfile"
                | "azure-pipelines.yml"
                | "bitbucket-pipelines.yml"
        )
}

/// A file that holds secrets, unless the repository ignores it.
fn secret(tree: &Tree) -> Option<&str> {
    let ignored = tree.read(".gitignore").unwrap_or_default();
    let is_ignored = |name: &str| {
        ignored
            .lines()
            .map(|line| line.trim().trim_start_matches('/'))
            .any(|line| line == name || line == "*.pem" && name.ends_with(".pem"))
    };
    tree.files().find(|path| {
        let name = split(path).1;
        let holds_secrets = matches!(
            name,
            ".env" | ".env.local" | ".env.production" | "id_rsa" | "id_ed25519"
        ) || name.ends_with(".pem")
            || name.ends_with(".p12");
        holds_secrets && !is_ignored(name)
    })
}

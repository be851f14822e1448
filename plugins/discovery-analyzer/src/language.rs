//! Languages, and which one a repository is mainly written in.

use std::collections::BTreeMap;

use crate::manifest::Manifest;
use crate::tree::{Tree, split};

/// A language that the analyzer knows. In the order that breaks a tie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Language {
    Nodejs,
    Python,
    Go,
    Rust,
    Java,
    Kotlin,
    Ruby,
    Php,
    Dotnet,
}

impl Language {
    /// Its name in a report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nodejs => "nodejs",
            Self::Python => "python",
            Self::Go => "go",
            Self::Rust => "rust",
            Self::Java => "java",
            Self::Kotlin => "kotlin",
            Self::Ruby => "ruby",
            Self::Php => "php",
            Self::Dotnet => "dotnet",
        }
    }

    /// The language of a source file, by its extension.
    pub(crate) fn of_source(path: &str) -> Option<Self> {
        let (_, extension) = split(path).1.rsplit_once('.')?;
        match extension {
            "js" | "jsx" | "mjs" | "cjs" | "ts" | "tsx" | "mts" | "cts" => Some(Self::Nodejs),
            "py" => Some(Self::Python),
            "go" => Some(Self::Go),
            "rs" => Some(Self::Rust),
            "java" => Some(Self::Java),
            "kt" => Some(Self::Kotlin),
            "rb" => Some(Self::Ruby),
            "php" => Some(Self::Php),
            "cs" | "fs" => Some(Self::Dotnet),
            _ => None,
        }
    }

    /// Whether the analyzer reads this language's manifests, so that a framework it did not
    /// find is one that isn't there.
    pub(crate) fn has_manifests(self) -> bool {
        match self {
            Self::Nodejs | Self::Python | Self::Go | Self::Rust | Self::Java | Self::Kotlin => true,
            Self::Ruby | Self::Php | Self::Dotnet => false,
        }
    }

    /// Whether a manifest of `other` is one of this language too.
    pub(crate) fn shares_manifests_with(self, other: Self) -> bool {
        let is_jvm = |language| matches!(language, Self::Java | Self::Kotlin);
        self == other || is_jvm(self) && is_jvm(other)
    }
}

/// The language with the most source files, among those that have a manifest where there is
/// any: the scripts around a service don't decide what it is.
pub(crate) fn main_language(tree: &Tree, manifests: &[Manifest]) -> Option<Language> {
    let mut sources: BTreeMap<Language, usize> = BTreeMap::new();
    for language in tree.files().filter_map(Language::of_source) {
        *sources.entry(language).or_default() += 1;
    }
    let has_manifest = |language: Language| {
        manifests
            .iter()
            .any(|manifest| language.shares_manifests_with(manifest.language))
    };
    let most = |only_with_manifest: bool| {
        sources
            .iter()
            .filter(|&(&language, _)| !only_with_manifest || has_manifest(language))
            .max_by_key(|&(&language, &count)| (count, std::cmp::Reverse(language)))
            .map(|(&language, _)| language)
    };
    most(true)
        .or_else(|| manifests.iter().map(|manifest| manifest.language).min())
        .or_else(|| most(false))
}

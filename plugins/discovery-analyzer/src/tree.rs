//! The files of a repository, within bounds.

use std::collections::{BTreeSet, VecDeque};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Files that are listed. What a walk finds first is nearest to the root.
pub(crate) const MOST_FILES: usize = 20_000;
/// Folders between the root and a file.
const DEEPEST: usize = 12;
/// A longer file is not read: no manifest is that long.
const LONGEST_READ: u64 = 256 << 10;

/// What others wrote, or tools made.
const SKIPPED: &[&str] = &[
    ".git",
    ".gradle",
    ".idea",
    ".mypy_cache",
    ".next",
    ".nuxt",
    ".pytest_cache",
    ".tox",
    ".venv",
    "__pycache__",
    "build",
    "dist",
    "node_modules",
    "target",
    "vendor",
    "venv",
];

/// The files of a repository, by paths with `/` relative to its root, sorted.
#[derive(Debug)]
pub(crate) struct Tree {
    root: PathBuf,
    files: BTreeSet<String>,
    /// There is more than was listed.
    pub(crate) is_cut: bool,
}

impl Tree {
    /// Walks the repository, level by level. Symbolic links, names that are not UTF-8, and
    /// folders that cannot be read are left out.
    ///
    /// # Errors
    ///
    /// Only where the root itself cannot be read.
    pub(crate) fn walk(root: &Path) -> io::Result<Self> {
        let mut tree = Self {
            root: root.to_owned(),
            files: BTreeSet::new(),
            is_cut: false,
        };
        let mut folders = VecDeque::from([(String::new(), 0)]);
        while let Some((folder, depth)) = folders.pop_front() {
            let entries = match list(&root.join(&folder)) {
                Ok(entries) => entries,
                Err(error) if folder.is_empty() => return Err(error),
                Err(_) => continue,
            };
            for (name, is_folder) in entries {
                let path = joined(&folder, &name);
                if !is_folder {
                    if tree.files.len() == MOST_FILES {
                        tree.is_cut = true;
                        return Ok(tree);
                    }
                    tree.files.insert(path);
                } else if depth == DEEPEST {
                    tree.is_cut = true;
                } else if !SKIPPED.contains(&name.as_str()) {
                    folders.push_back((path, depth + 1));
                }
            }
        }
        Ok(tree)
    }

    /// All files, sorted.
    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str)
    }

    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.files.contains(path)
    }

    /// Files below a folder (`""` is the root), at any depth.
    pub(crate) fn below(&self, folder: &str) -> impl Iterator<Item = &str> {
        let prefix = match folder {
            "" => String::new(),
            folder => format!("{folder}/"),
        };
        self.files
            .range(prefix.clone()..)
            .take_while(move |path| path.starts_with(&prefix))
            .map(String::as_str)
    }

    /// Names of the folders right in a folder, sorted.
    pub(crate) fn folders_in(&self, folder: &str) -> BTreeSet<&str> {
        let skipped = if folder.is_empty() {
            0
        } else {
            folder.len() + 1
        };
        self.below(folder)
            .filter_map(|path| path[skipped..].split_once('/'))
            .map(|(name, _)| name)
            .collect()
    }

    /// The text of a file. None where it is not there, not readable, too long, or not UTF-8.
    pub(crate) fn read(&self, path: &str) -> Option<String> {
        // Only what the walk found to be a file: to open a pipe would wait for ever.
        if !self.has(path) {
            return None;
        }
        let mut bytes = Vec::new();
        File::open(self.root.join(path))
            .ok()?
            .take(LONGEST_READ + 1)
            .read_to_end(&mut bytes)
            .ok()?;
        if bytes.len() as u64 > LONGEST_READ {
            return None;
        }
        let text = String::from_utf8(bytes).ok()?;
        Some(text.trim_start_matches('\u{feff}').to_owned())
    }
}

/// The entries of one folder that are files or folders, sorted by name.
fn list(folder: &Path) -> io::Result<Vec<(String, bool)>> {
    let mut entries: Vec<(String, bool)> = fs::read_dir(folder)?
        .flatten()
        // One folder alone must not fill the memory before the limit on files is seen.
        .take(MOST_FILES * 2)
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let kind = entry.file_type().ok()?;
            (kind.is_file() || kind.is_dir()).then_some((name, kind.is_dir()))
        })
        .collect();
    entries.sort();
    Ok(entries)
}

/// A path below a folder; `""` is the root.
pub(crate) fn joined(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}

/// The folder of a path, and its last part.
pub(crate) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Whether a path is in a folder of tests or examples: it says nothing of the services.
pub(crate) fn is_beside_services(path: &str) -> bool {
    let (folder, _) = split(path);
    folder.split('/').any(|part| {
        matches!(
            part,
            "demo" | "demos" | "example" | "examples" | "fixtures" | "test" | "testdata" | "tests"
        )
    })
}

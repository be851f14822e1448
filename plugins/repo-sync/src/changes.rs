//! Many changed paths, said shortly.

use std::collections::{BTreeMap, BTreeSet};

/// Paths of one folder with one extension become one pattern where there are several.
/// Sorted, each once.
pub(crate) fn grouped(paths: &BTreeSet<String>) -> Vec<String> {
    let mut groups: BTreeMap<String, Vec<&String>> = BTreeMap::new();
    for path in paths {
        groups.entry(pattern(path)).or_default().push(path);
    }
    let named: BTreeSet<String> = groups
        .into_iter()
        .map(|(pattern, paths)| match paths.as_slice() {
            [only] => (*only).clone(),
            _ => pattern,
        })
        .collect();
    named.into_iter().collect()
}

/// The folder, and any name with the same extension. A path without an extension is its
/// own pattern.
fn pattern(path: &str) -> String {
    let name_at = path.rfind('/').map_or(0, |slash| slash + 1);
    match path[name_at..].rfind('.') {
        // At 0 it is a hidden file such as `.env`.
        Some(dot) if dot > 0 => format!("{}*{}", &path[..name_at], &path[name_at + dot..]),
        Some(_) | None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_files_of_one_kind_in_one_folder_are_one_pattern() {
        let paths = [
            ".env",
            ".npmrc",
            "Dockerfile",
            "LICENSE",
            "package.json",
            "src/api/index.ts",
            "src/api/routes/orders.js",
            "src/api/routes/users.js",
        ]
        .map(str::to_owned)
        .into();

        assert_eq!(
            grouped(&paths),
            [
                ".env",
                ".npmrc",
                "Dockerfile",
                "LICENSE",
                "package.json",
                "src/api/index.ts",
                "src/api/routes/*.js",
            ]
        );
    }

    #[test]
    fn nothing_changed_is_an_empty_list() {
        assert!(grouped(&BTreeSet::new()).is_empty());
    }
}

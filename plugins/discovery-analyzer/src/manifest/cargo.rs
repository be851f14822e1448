//! `Cargo.toml`.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::Parsed;

/// Dependencies of the package, and those that the workspace lists for its members. The
/// features of `sqlx` and `diesel` say which database it is, so they are listed too, as
/// `sqlx/postgres`.
pub(super) fn cargo_toml(text: &str) -> Parsed {
    let manifest: Table = text.parse().ok()?;
    let of_workspace = manifest
        .get("workspace")
        .and_then(|workspace| workspace.get("dependencies"));
    let mut names = BTreeSet::new();
    for listed in [manifest.get("dependencies"), of_workspace] {
        for (name, dependency) in listed.and_then(Value::as_table).into_iter().flatten() {
            // Renamed: `db = { package = "sqlx" }`.
            let name = dependency
                .get("package")
                .and_then(Value::as_str)
                .unwrap_or(name);
            names.insert(name.to_owned());
            if matches!(name, "sqlx" | "diesel" | "sea-orm") {
                let features = dependency.get("features").and_then(Value::as_array);
                for feature in features.into_iter().flatten().filter_map(Value::as_str) {
                    names.insert(format!("{name}/{feature}"));
                }
            }
        }
    }
    Some(names)
}

/// Patterns under `[workspace] members`.
pub(crate) fn workspace_members(text: &str) -> Vec<String> {
    let Ok(manifest) = text.parse::<Table>() else {
        return Vec::new();
    };
    manifest
        .get("workspace")
        .and_then(|workspace| workspace.get("members")?.as_array())
        .into_iter()
        .flatten()
        .filter_map(|member| Some(member.as_str()?.to_owned()))
        .collect()
}

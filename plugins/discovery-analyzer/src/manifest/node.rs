//! `package.json` and `pnpm-workspace.yaml`.

use std::collections::BTreeSet;

use hothouse_sdk::serde_json::{self, Value};

use super::Parsed;
use crate::yaml;

/// Dependencies, without those for development.
pub(super) fn package_json(text: &str) -> Parsed {
    let package: Value = serde_json::from_str(text).ok()?;
    let package = package.as_object()?;
    let names = ["dependencies", "optionalDependencies", "peerDependencies"]
        .iter()
        .filter_map(|field| package.get(*field)?.as_object())
        .flat_map(|dependencies| dependencies.keys().cloned())
        .collect();
    Some(names)
}

/// Patterns under `workspaces`, in either of its two forms.
pub(crate) fn workspace_members(text: &str) -> Vec<String> {
    let Ok(package) = serde_json::from_str::<Value>(text) else {
        return Vec::new();
    };
    let workspaces = &package["workspaces"];
    let patterns = workspaces
        .as_array()
        .or_else(|| workspaces["packages"].as_array());
    patterns
        .into_iter()
        .flatten()
        .filter_map(|pattern| Some(pattern.as_str()?.to_owned()))
        .collect()
}

/// Patterns under `packages`.
pub(crate) fn pnpm_members(text: &str) -> Vec<String> {
    let members: BTreeSet<String> = yaml::scalars(text)
        .into_iter()
        .filter(|scalar| scalar.path == ["packages"])
        .map(|scalar| scalar.text)
        .collect();
    members.into_iter().collect()
}

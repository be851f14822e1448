//! `pyproject.toml`, `Pipfile` and `requirements.txt`.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::Parsed;

/// Dependencies by PEP 621 and by Poetry.
pub(super) fn pyproject(text: &str) -> Parsed {
    let pyproject: Table = text.parse().ok()?;
    let mut names = BTreeSet::new();
    let project = pyproject.get("project").and_then(Value::as_table);
    if let Some(listed) = project.and_then(|project| project.get("dependencies")?.as_array()) {
        names.extend(listed.iter().filter_map(|line| requirement(line.as_str()?)));
    }
    let poetry = pyproject
        .get("tool")
        .and_then(|tool| tool.get("poetry")?.get("dependencies")?.as_table());
    if let Some(listed) = poetry {
        names.extend(listed.keys().filter_map(|name| requirement(name)));
    }
    Some(names)
}

/// Dependencies under `[packages]`.
pub(super) fn pipfile(text: &str) -> Parsed {
    let pipfile: Table = text.parse().ok()?;
    let packages = pipfile.get("packages").and_then(Value::as_table);
    let names = packages
        .into_iter()
        .flat_map(Table::keys)
        .filter_map(|name| requirement(name))
        .collect();
    Some(names)
}

/// One requirement a line.
pub(super) fn requirements(text: &str) -> Parsed {
    Some(text.lines().filter_map(requirement).collect())
}

/// The name in a requirement such as `Django[argon2] >= 5.0 ; python_version > "3.8"`. `_`
/// and `.` are `-` to a Python index, and case doesn't count.
fn requirement(line: &str) -> Option<String> {
    let line = line.trim();
    // Comments, and options such as `-r other.txt`.
    if line.starts_with(['#', '-']) {
        return None;
    }
    let end = line
        .find(|letter: char| !letter.is_ascii_alphanumeric() && !"-_.".contains(letter))
        .unwrap_or(line.len());
    let name = line[..end].to_lowercase().replace(['_', '.'], "-");
    (!name.is_empty()).then_some(name)
}

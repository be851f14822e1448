//! What a plugin asks for, what it is allowed and what it has, side by side.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::cli::output::table;
use crate::plugin::{Allowed, Grant, Needs, SecretSource, Variable};
use crate::sandbox::Access;

/// One line of the table.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct GrantRow {
    grant: String,
    asked: Option<&'static str>,
    /// Null also where no operator was asked.
    allowed: Option<&'static str>,
    /// Where it is from.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    granted: Option<&'static str>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// Asked for and allowed.
    Granted,
    /// Asked for and not allowed: the plugin is refused.
    Missing,
    /// Allowed and not asked for: not granted.
    Unused,
    /// Asked for; no operator was asked.
    Asked,
}

/// Everything that either side names, in one order. `allowed` is none where no operator was
/// asked.
pub(super) fn rows(needs: &Needs, allowed: Option<&Allowed>) -> Vec<GrantRow> {
    let allows = allowed.map(Allowed::grants).unwrap_or_default();
    let mut subjects: BTreeMap<String, (Option<&Grant>, Option<&Grant>)> = BTreeMap::new();
    for grant in &needs.0 {
        subjects.entry(grant.subject()).or_default().0 = Some(grant);
    }
    for grant in &allows {
        subjects.entry(grant.subject()).or_default().1 = Some(grant);
    }
    let row = |(subject, (asked, allows)): (String, (Option<&Grant>, Option<&Grant>))| {
        let state = match (asked, allows) {
            (Some(_), None) if allowed.is_none() => State::Asked,
            (Some(asked), Some(allows)) if allows.covers(asked) => State::Granted,
            (Some(_), _) => State::Missing,
            (None, _) => State::Unused,
        };
        GrantRow {
            grant: subject,
            asked: asked.map(access),
            allowed: allows.map(access),
            from: allows.and_then(|grant| source(grant, allowed?)),
            granted: asked.filter(|_| state == State::Granted).map(access),
            state,
        }
    };
    subjects.into_iter().map(row).collect()
}

fn access(grant: &Grant) -> &'static str {
    match grant.access() {
        Some(Access::Read) => "read",
        Some(Access::Write) => "write",
        None => "yes",
    }
}

/// Where it is from. Of a secret its place alone.
fn source(grant: &Grant, allowed: &Allowed) -> Option<String> {
    match grant {
        Grant::Repository(_) | Grant::OutboundHost(_) => None,
        Grant::Directory(at, _) => {
            let directory = allowed.directories.get(at)?;
            Some(directory.path.display().to_string())
        }
        Grant::Env(name) => Some(match allowed.env.get(name)? {
            Variable::Value(value) => format!("{value:?}"),
            Variable::Given(_) => "the command line".to_owned(),
            Variable::OfTheHost => "the host's environment".to_owned(),
        }),
        Grant::Secret(name) => Some(match allowed.secrets.get(name)? {
            SecretSource::Env(variable) => format!("the host's variable {variable}"),
            SecretSource::File(path) => path.display().to_string(),
            SecretSource::Given(_) => "the command line".to_owned(),
        }),
    }
}

/// The table for people.
pub(super) fn text(rows: &[GrantRow]) -> String {
    let cells = |cells: [&str; 6]| cells.map(str::to_owned).to_vec();
    let mut lines = vec![cells(["grant", "asked", "allowed", "granted", "", ""])];
    let shown = |value: Option<&'static str>| value.unwrap_or("-");
    lines.extend(rows.iter().map(|row| {
        cells([
            &row.grant,
            shown(row.asked),
            match row.state {
                State::Asked => "?",
                State::Granted | State::Missing | State::Unused => shown(row.allowed),
            },
            match row.state {
                State::Asked => "?",
                State::Granted | State::Missing | State::Unused => shown(row.granted),
            },
            match row.state {
                State::Missing => "MISSING",
                State::Unused => "not asked for",
                State::Granted | State::Asked => "",
            },
            row.from.as_deref().unwrap_or(""),
        ])
    }));
    table(&lines)
}

//! `pom.xml` and `build.gradle`. Neither is parsed: the names in them are easy to tell.

use super::Parsed;

/// Every `<artifactId>`.
pub(super) fn pom(text: &str) -> Parsed {
    let names = text
        .split("<artifactId>")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once("</artifactId>")?.0.trim().to_owned()))
        .collect();
    text.contains("<project").then_some(names)
}

/// Every quoted text: plugins as they are, and of `group:artifact:version` the artifact.
pub(super) fn gradle(text: &str) -> Parsed {
    let names = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split(['"', '\'']).skip(1).step_by(2))
        .map(|quoted| quoted.split(':').nth(1).unwrap_or(quoted).to_owned())
        .collect();
    Some(names)
}

//! `go.mod` and `go.work`.

use super::Parsed;

/// Modules that the code itself requires: not the `// indirect` ones.
pub(super) fn go_mod(text: &str) -> Parsed {
    let names = directive(text, "require")
        .filter(|line| !line.ends_with("// indirect"))
        .filter_map(|line| Some(line.split_whitespace().next()?.to_owned()))
        .collect();
    Some(names)
}

/// Folders under `use`.
pub(crate) fn workspace_members(text: &str) -> Vec<String> {
    directive(text, "use")
        .filter_map(|line| Some(line.split_whitespace().next()?.to_owned()))
        .collect()
}

/// What follows a directive: in a block of lines, or alone on its line.
fn directive<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    let mut is_in_block = false;
    text.lines().map(str::trim).filter_map(move |line| {
        if is_in_block {
            is_in_block = line != ")";
            return (is_in_block && !line.starts_with("//")).then_some(line);
        }
        let rest = line.strip_prefix(name)?;
        if rest.trim_start().starts_with('(') {
            is_in_block = true;
            return None;
        }
        rest.starts_with(char::is_whitespace).then(|| rest.trim())
    })
}

//! A question before something is changed.

use std::io::{self, IsTerminal as _, Write as _};

use anyhow::Context as _;

use super::Usage;

/// Asks on the terminal, unless `yes` was said on the command line.
///
/// # Errors
/// Where nobody can be asked: standard input is no terminal.
pub(super) fn confirm(question: &str, yes: bool) -> anyhow::Result<bool> {
    if yes {
        return Ok(true);
    }
    if !io::stdin().is_terminal() {
        let why = format!("{question} Nobody can be asked here: say --yes");
        return Err(Usage(why).into());
    }
    eprint!("{question} [y/N] ");
    io::stderr().flush().context("cannot ask")?;
    let mut answer = String::new();
    io::stdin()
        .read_line(&mut answer)
        .context("cannot read the answer")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

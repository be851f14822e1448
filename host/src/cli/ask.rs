//! The question before a verb changes what cannot be changed back.

use std::io::{self, BufRead, IsTerminal as _, Write};

use anyhow::{Context as _, bail};

use super::Usage;
use super::output::printable;

/// Asks before it does anything, unless it is told not to.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Ask {
    /// Does it without a question
    #[arg(long)]
    pub(super) yes: bool,

    /// Shows what it would do, and does nothing
    #[arg(long, conflicts_with = "yes")]
    pub(super) dry_run: bool,
}

impl Ask {
    /// Refuses early where a question is due and nobody is there to answer it.
    pub(super) fn check(self) -> anyhow::Result<()> {
        if self.yes || self.dry_run || io::stdin().is_terminal() {
            return Ok(());
        }
        bail!(Usage(
            "there is no terminal to ask on: add --yes to do it, or --dry-run to see what it \
             would do"
                .to_owned()
        ));
    }

    /// Whether to go on. The question goes to standard error: answers are for standard output.
    pub(super) fn confirmed(self, preview: &str, question: &str) -> anyhow::Result<bool> {
        if self.yes {
            return Ok(true);
        }
        let question = format!("{}\n\n{question} [y/N] ", printable(preview));
        let answer = ask(&question, io::stdin().lock(), io::stderr().lock());
        answer.context("cannot ask")
    }
}

fn ask(question: &str, mut input: impl BufRead, mut output: impl Write) -> io::Result<bool> {
    output.write_all(question.as_bytes())?;
    output.flush()?;
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_one() {
        for (answer, expected) in [
            ("y\n", true),
            ("yes\n", true),
            (" Y \n", true),
            ("\n", false),
            ("", false),
            ("n\n", false),
            ("yesterday\n", false),
        ] {
            let mut shown = Vec::new();
            let said = ask("sure? ", answer.as_bytes(), &mut shown).expect("ask");
            assert_eq!(said, expected, "{answer:?}");
            assert_eq!(shown, b"sure? ");
        }
    }
}

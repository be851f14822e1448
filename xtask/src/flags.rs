//! Options of verbs: all of them are numbers.

use anyhow::{Context, Result, bail};

/// Reads `--NAME NUMBER` for the names of a verb, in any order, each optional.
pub(crate) fn numbers<const N: usize>(
    verb: &str,
    names: [&str; N],
    args: &[String],
) -> Result<[Option<u64>; N]> {
    let mut found = [None; N];
    let mut args = args.iter();
    while let Some(flag) = args.next() {
        let Some(place) = names.iter().position(|name| name == flag) else {
            bail!(
                "`{flag}` is not an option of {verb}: it has {}",
                names.join(" and ")
            );
        };
        let value = args
            .next()
            .with_context(|| format!("{flag} needs a number"))?;
        let number = value
            .parse()
            .with_context(|| format!("{flag} needs a number, not `{value}`"))?;
        found[place] = Some(number);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<[Option<u64>; 2]> {
        let args: Vec<String> = line.split_whitespace().map(String::from).collect();
        numbers("chaos", ["--minutes", "--seed"], &args)
    }

    #[test]
    fn options_are_read_in_any_order_and_may_be_left_out() {
        assert_eq!(read("").expect("none"), [None, None]);
        let both = read("--seed 7 --minutes 3").expect("both");
        assert_eq!(both, [Some(3), Some(7)]);
    }

    #[test]
    fn what_is_no_number_or_no_option_is_named() {
        for (line, named) in [
            ("--seed", "--seed"),
            ("--minutes soon", "soon"),
            ("--hours 1", "--hours"),
        ] {
            let error = format!("{:#}", read(line).expect_err(line));
            assert!(error.contains(named), "{error}");
        }
    }
}

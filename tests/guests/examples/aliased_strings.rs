//! Returns a list of 100,000 strings that are all the same mebibyte of its memory: a host that
//! copies what it reads would need 100 GB for them.
//!
//! World `analyzer`. Must fail as `output_limit`.

use hothouse_sdk::{Analyzer, Discovery, HandlerError, Report, Stack};

const STRINGS: usize = 100_000;
const LENGTH: usize = 1 << 20;

struct AliasedStrings;

impl Analyzer for AliasedStrings {
    fn analyze(_: Discovery) -> Result<Report, HandlerError> {
        let text: &'static mut [u8] = vec![b'x'; LENGTH].leak();
        let text = text.as_mut_ptr();
        // SAFETY: the bytes are ASCII and never freed by anyone else. That each string owns the
        // same ones is the attack; the guest itself only passes their address on.
        let alias = || unsafe { String::from_raw_parts(text, LENGTH, LENGTH) };
        Ok(Report {
            stack: Stack {
                language: "nodejs".to_owned(),
                framework: "express".to_owned(),
                database: "postgresql".to_owned(),
            },
            service_boundaries: std::iter::repeat_with(alias).take(STRINGS).collect(),
            risk_score: 0.5,
        })
    }
}

hothouse_sdk::export!(AliasedStrings: Analyzer);

//! Reports a risk score of 7.
//!
//! World `analyzer`. Must fail as `contract_violation`.

use hothouse_sdk::{Analyzer, Discovery, HandlerError, Report, Stack};

struct RiskOutOfRange;

impl Analyzer for RiskOutOfRange {
    fn analyze(_: Discovery) -> Result<Report, HandlerError> {
        Ok(Report {
            stack: Stack {
                language: "nodejs".to_owned(),
                framework: "express".to_owned(),
                database: "postgresql".to_owned(),
            },
            service_boundaries: vec!["api".to_owned()],
            risk_score: 7.0,
        })
    }
}

hothouse_sdk::export!(RiskOutOfRange: Analyzer);

//! Reports what a repository is made of, from what is really in it: manifests, compose
//! files, the folders. It runs nothing, follows no link and asks no network. What it
//! looks at is bounded, files that cannot be read or are malformed are passed over, and
//! the same tree always gives the same report.

mod boundaries;
mod compose;
mod database;
mod framework;
mod language;
mod manifest;
mod risk;
mod tree;
mod yaml;

use hothouse_sdk::{Analyzer, Discovery, HandlerError, Report, Stack, log};

use tree::Tree;

/// Handles `discovery.started`. `full` and `incremental` are the same to it: nothing is
/// kept from an earlier run.
pub struct DiscoveryAnalyzer;

impl Analyzer for DiscoveryAnalyzer {
    fn analyze(discovery: Discovery) -> Result<Report, HandlerError> {
        let tree = Tree::walk(discovery.repository()?)?;
        let manifests = manifest::read_all(&tree);
        log::debug!("{} files, {} manifests", tree.len(), manifests.len());

        let language = language::main_language(&tree, &manifests);
        let unless_found = match language {
            Some(language) if language.has_manifests() => "none",
            Some(_) | None => "unknown",
        };
        let framework = language.and_then(|language| framework::framework(language, &manifests));
        let database = database::database(&tree, &manifests);
        let service_boundaries = boundaries::boundaries(&tree);

        let factors = risk::factors(
            &tree,
            &manifests,
            language.is_some(),
            service_boundaries.len(),
        );
        for factor in &factors {
            log::info!(
                "risk +{:.3}: {}",
                f64::from(factor.thousandths) / 1000.0,
                factor.reason
            );
        }
        Ok(Report {
            stack: Stack {
                language: language
                    .map_or("unknown", |language| language.name())
                    .to_owned(),
                framework: framework.unwrap_or(unless_found).to_owned(),
                database: database.unwrap_or(unless_found).to_owned(),
            },
            service_boundaries,
            risk_score: risk::score(&factors),
        })
    }
}

hothouse_sdk::export!(DiscoveryAnalyzer: Analyzer);

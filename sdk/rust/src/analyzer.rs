//! World `analyzer`: a repository in, a report on it out.

use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::bindings::agent::hothouse::agent::types::HandlerError as WitError;
use crate::bindings::analyzer::exports::hothouse::agent::discovery as wit;
use crate::metadata::decode_extra;
use crate::{HandlerError, Metadata};

/// A plugin that analyzes a repository on `discovery.started`.
///
/// Each event gets a fresh instance: nothing in memory survives to the next one.
pub trait Analyzer {
    /// Looks at the repository.
    ///
    /// # Errors
    ///
    /// What the variant of [`HandlerError`] says becomes the event's failure.
    fn analyze(discovery: Discovery) -> Result<Report, HandlerError>;
}

/// One `discovery.started`.
#[derive(Debug, Clone, PartialEq)]
pub struct Discovery {
    /// The event's envelope.
    pub metadata: Metadata,
    /// UUID of the repository.
    pub repository_id: String,
    /// `full` or `incremental`.
    pub discovery_type: String,
    /// Where the repository is mounted. `None` where the plugin was not granted it:
    /// [`repository`](Self::repository) turns that into an error.
    pub repository_path: Option<PathBuf>,
    /// Fields of the event's data that the contract doesn't name.
    pub extra: Map<String, Value>,
}

impl Discovery {
    /// Where the repository is mounted. [`std::fs`] reads it, and writes to it where the plugin
    /// was granted that.
    ///
    /// # Errors
    ///
    /// A permanent error where the plugin was not granted the repository.
    pub fn repository(&self) -> Result<&Path, HandlerError> {
        self.repository_path.as_deref().ok_or_else(|| {
            HandlerError::permanent(
                "no repository is mounted: the manifest must ask for it ([needs] repository = \
                 \"read\") and the operator must allow it",
            )
        })
    }

    /// A full discovery for a test, of the repository at `path`.
    pub fn sample(path: impl Into<PathBuf>) -> Self {
        Self {
            metadata: Metadata::sample("discovery.started"),
            repository_id: "55555555-5555-4555-8555-555555555555".to_owned(),
            discovery_type: "full".to_owned(),
            repository_path: Some(path.into()),
            extra: Map::new(),
        }
    }
}

/// What becomes `discovery.completed`.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What the repository is built with.
    pub stack: Stack,
    /// Names of the services found, for example `api`, `auth`, `orders`.
    pub service_boundaries: Vec<String>,
    /// 0.0 (none) to 1.0 (highest). The host refuses anything else as a
    /// `contract_violation`.
    pub risk_score: f64,
}

/// Names in lower case, for example `nodejs`, `express`, `postgresql`. What could not be
/// told is `unknown`, and what isn't there is `none`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    /// The main language.
    pub language: String,
    /// The framework that the services are built on.
    pub framework: String,
    /// The database that they keep their data in.
    pub database: String,
}

/// What [`export!`](crate::export) exports for a plugin `P`.
#[doc(hidden)]
pub struct AnalyzerComponent<P>(PhantomData<P>);

impl<P: Analyzer> wit::Guest for AnalyzerComponent<P> {
    fn analyze(request: wit::DiscoveryRequest) -> Result<wit::DiscoveryReport, WitError> {
        let report = decode(request).and_then(P::analyze)?;
        Ok(wit::DiscoveryReport {
            detected_stack: wit::Stack {
                language: report.stack.language,
                framework: report.stack.framework,
                database: report.stack.database,
            },
            service_boundaries: report.service_boundaries,
            risk_score: report.risk_score,
        })
    }
}

fn decode(request: wit::DiscoveryRequest) -> Result<Discovery, HandlerError> {
    Ok(Discovery {
        extra: decode_extra(&request.extra)?,
        metadata: request.metadata.into(),
        repository_id: request.repository_id,
        discovery_type: request.discovery_type,
        repository_path: request.repository_path.map(PathBuf::from),
    })
}

//! The analyzer over small repositories, one for each ecosystem, and over broken ones.

mod broken_and_risky;
mod javascript_and_compose;
mod python_rust_go_jvm;

use std::fs;
use std::path::Path;

use discovery_analyzer::DiscoveryAnalyzer;
use hothouse_sdk::{Discovery, Report, testing};
use tempfile::TempDir;

/// A repository of these files, each a path and its text.
fn repository(files: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().expect("it is below the root"))
            .expect("folders can be made");
        fs::write(path, text).expect("files can be written");
    }
    root
}

fn analyze(root: &Path) -> Report {
    testing::analyze::<DiscoveryAnalyzer>(Discovery::sample(root)).expect("the root is there")
}

/// Checks language, framework and database, and gives the service boundaries.
#[track_caller]
fn assert_stack(files: &[(&str, &str)], stack: [&str; 3]) -> Vec<String> {
    let report = analyze(repository(files).path());
    let found = [
        report.stack.language,
        report.stack.framework,
        report.stack.database,
    ];
    assert_eq!(found, stack);
    report.service_boundaries
}

//! The backend agent, without a model: it checks the input, works out which test file
//! belongs to each file, and reports the change. It touches no file, and the same input
//! always gives the same output.

mod input;
mod test_path;

use hothouse_sdk::{Agent, Execution, HandlerError, log};
use serde::Serialize;

pub use input::{Input, InputError};

/// Executes phases of agent type `backend`.
pub struct BackendAgent;

/// The `output_data` of `agent.execution.completed`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Output {
    /// The files of the input, each once, in the input's order.
    pub files_modified: Vec<String>,
    /// The test files that belong to them, each once. A file that is a test itself, or in
    /// a language that isn't known, has none.
    pub tests_generated: Vec<String>,
    /// One line.
    pub changes_summary: String,
}

impl Agent for BackendAgent {
    type Input = Input;
    type Output = Output;

    fn execute(execution: Execution<Input>) -> Result<Output, HandlerError> {
        execution.input.check()?;
        let files_modified = distinct(execution.input.files_to_modify);
        let tests_generated = distinct(
            files_modified
                .iter()
                .filter_map(|file| test_path::test_path(file)),
        );
        log::info!(
            "phase {}: {} files, {} tests",
            execution.phase_number,
            files_modified.len(),
            tests_generated.len()
        );
        Ok(Output {
            changes_summary: summary(
                &execution.input.requirements,
                files_modified.len(),
                tests_generated.len(),
            ),
            files_modified,
            tests_generated,
        })
    }
}

hothouse_sdk::export!(BackendAgent: Agent);

/// Keeps the first of equal names, and the order.
fn distinct(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut kept = Vec::new();
    for name in names {
        if !kept.contains(&name) {
            kept.push(name);
        }
    }
    kept
}

/// The first line of the requirements, with what was done about it.
fn summary(requirements: &str, files: usize, tests: usize) -> String {
    const MOST_CHARACTERS: usize = 120;
    let line = requirements.trim().lines().next().unwrap_or_default();
    let mut title: String = line.chars().take(MOST_CHARACTERS).collect();
    if title.len() < line.len() {
        title.push('…');
    }
    format!(
        "{title} ({}, {})",
        counted(files, "file"),
        counted(tests, "test")
    )
}

fn counted(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use hothouse_sdk::serde_json::json;
    use hothouse_sdk::testing;

    use super::*;

    #[test]
    fn the_example_of_the_event_contract_gives_its_files_and_tests() {
        let execution = Execution::sample(json!({
            "files_to_modify": ["src/api/orders.js"],
            "requirements": "Add pagination with limit/offset",
        }));

        assert_eq!(
            testing::execute::<BackendAgent>(execution),
            Ok(json!({
                "files_modified": ["src/api/orders.js"],
                "tests_generated": ["tests/orders.test.js"],
                "changes_summary": "Add pagination with limit/offset (1 file, 1 test)",
            }))
        );
    }

    #[test]
    fn files_and_tests_are_reported_once_in_the_inputs_order() {
        let output = BackendAgent::execute(Execution::sample(Input {
            files_to_modify: ["b/orders.js", "a/orders.js", "b/orders.js", "README.md"]
                .map(str::to_owned)
                .to_vec(),
            requirements: "Rename".to_owned(),
        }))
        .expect("the input is right");

        assert_eq!(
            output.files_modified,
            ["b/orders.js", "a/orders.js", "README.md"]
        );
        assert_eq!(output.tests_generated, ["tests/orders.test.js"]);
        assert_eq!(output.changes_summary, "Rename (3 files, 1 test)");
    }

    #[test]
    fn the_summary_is_one_line_of_bounded_length() {
        assert_eq!(
            summary("  Add it\nand more", 2, 0),
            "Add it (2 files, 0 tests)"
        );
        let long = summary(&"ä".repeat(500), 1, 1);
        assert_eq!(long, format!("{}… (1 file, 1 test)", "ä".repeat(120)));
    }

    #[test]
    fn a_wrong_input_is_a_validation_error() {
        let execution = Execution::sample(json!({
            "files_to_modify": ["../secrets.env"],
            "requirements": "Read it",
        }));

        assert_eq!(
            testing::execute::<BackendAgent>(execution),
            Err(HandlerError::validation(
                "files_to_modify: `../secrets.env` leaves the repository"
            ))
        );
    }

    #[test]
    fn an_input_without_its_fields_is_a_validation_error() {
        let error = testing::execute::<BackendAgent>(Execution::sample(json!({})))
            .expect_err("both fields are missing");

        assert!(error.message().contains("files_to_modify"), "{error}");
    }
}

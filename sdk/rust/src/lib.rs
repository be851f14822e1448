//! Write plugins for Hothouse, a host for agent handlers that nobody has to trust.
//!
//! A plugin is a WebAssembly component that exports one of three worlds. In Rust that is a
//! type that implements one trait, named in [`export!`]:
//!
//! | world | trait | takes | gives |
//! |---|---|---|---|
//! | `agent` | [`Agent`] | `agent.execution.started` | `agent.execution.completed` or `.failed` |
//! | `analyzer` | [`Analyzer`] | `discovery.started` | `discovery.completed` or `.failed` |
//! | `handler` | [`Handler`] | any type that is routed to it | the types that its manifest lists |
//!
//! A whole plugin, `src/lib.rs`, with its test:
//!
//! ```
//! use hothouse_sdk::{Agent, Execution, HandlerError, log};
//! use serde::{Deserialize, Serialize};
//!
//! /// Greets whoever `input_data` names.
//! struct Greeter;
//!
//! #[derive(Deserialize)]
//! struct Input {
//!     name: String,
//! }
//!
//! #[derive(Serialize)]
//! struct Output {
//!     greeting: String,
//! }
//!
//! impl Agent for Greeter {
//!     type Input = Input;
//!     type Output = Output;
//!
//!     fn execute(execution: Execution<Input>) -> Result<Output, HandlerError> {
//!         let name = execution.input.name.trim();
//!         if name.is_empty() {
//!             return Err(HandlerError::validation("name is empty"));
//!         }
//!         log::info!("greeting {name}, attempt {}", execution.metadata.attempt);
//!         Ok(Output { greeting: format!("Hello, {name}!") })
//!     }
//! }
//!
//! hothouse_sdk::export!(Greeter: Agent);
//!
//! # /* Shown as a test, and run as a function: a doctest has no test harness.
//! #[test]
//! # */
//! fn greets_by_name() {
//!     let input = Input { name: "Ada".to_owned() };
//!     let output = Greeter::execute(Execution::sample(input)).expect("a name is given");
//!     assert_eq!(output.greeting, "Hello, Ada!");
//! }
//! # greets_by_name();
//! ```
//!
//! Its `Cargo.toml` asks for both kinds of library, so that `cargo test` runs natively and
//! `cargo build --release --target wasm32-wasip2` gives the component:
//!
//! ```toml
//! [lib]
//! crate-type = ["cdylib", "rlib"]
//! ```
//!
//! [`testing`] runs a plugin natively on the JSON of an event, as the host would.

#[doc(hidden)]
pub mod bindings;

mod agent;
mod analyzer;
mod error;
mod export;
mod handler;
#[cfg(feature = "http")]
pub mod http;
pub mod log;
mod metadata;
pub mod testing;

pub use agent::{Agent, AgentComponent, Execution};
pub use analyzer::{Analyzer, AnalyzerComponent, Discovery, Report, Stack};
pub use error::HandlerError;
pub use handler::{Event, Handler, HandlerComponent, NewEvent};
pub use metadata::Metadata;

/// Where the repository that an event names is mounted, for a plugin of any world that was
/// granted it.
pub const REPOSITORY_PATH: &str = "/repo";

/// The JSON that the free-form parts of an event are made of.
pub use serde_json;

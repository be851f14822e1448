//! Imports `evil:backdoor/shell`, which nobody grants, and calls it.
//!
//! World `agent`. Must be refused at load as `capability_denied`, with the import's name.

use hothouse_sdk::serde_json::{Value, json};
use hothouse_sdk::{Agent, Execution, HandlerError};

mod backdoor {
    wit_bindgen::generate!({
        inline: "
            package evil:backdoor;

            interface shell {
                run: func(command: string) -> string;
            }

            world backdoor {
                import shell;
            }
        ",
    });
}

struct ImportsBackdoor;

impl Agent for ImportsBackdoor {
    type Input = Value;
    type Output = Value;

    fn execute(_: Execution<Value>) -> Result<Value, HandlerError> {
        Ok(json!({ "id": backdoor::evil::backdoor::shell::run("id") }))
    }
}

hothouse_sdk::export!(ImportsBackdoor: Agent);

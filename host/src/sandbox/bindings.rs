//! The only host bindings of the WIT package. Generated types stay within `sandbox`.

use wasmtime::Store;
use wasmtime::component::InstancePre;

use super::{State, World};

#[allow(missing_docs, unreachable_pub)] // Generated; the .wit files are the documentation.
pub(super) mod agent {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "agent",
        exports: { default: async },
    });
}

#[allow(missing_docs, unreachable_pub)] // As above.
pub(super) mod analyzer {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "analyzer",
        exports: { default: async },
        with: {
            "hothouse:agent/types@0.1.0": super::agent::hothouse::agent::types,
            "hothouse:agent/logging@0.1.0": super::agent::hothouse::agent::logging,
        },
    });
}

#[allow(missing_docs, unreachable_pub)] // As above.
pub(super) mod handler {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "handler",
        exports: { default: async },
        with: {
            "hothouse:agent/types@0.1.0": super::agent::hothouse::agent::types,
            "hothouse:agent/logging@0.1.0": super::agent::hothouse::agent::logging,
        },
    });
}

pub(super) use agent::hothouse::agent::{logging, types};

/// A component of one of the worlds, linked.
pub(super) enum AnyPre {
    Agent(agent::AgentPre<State>),
    Analyzer(analyzer::AnalyzerPre<State>),
    Handler(handler::HandlerPre<State>),
}

/// A fresh instance of it.
pub(super) enum Instance {
    Agent(agent::Agent),
    Analyzer(analyzer::Analyzer),
    Handler(handler::Handler),
}

impl AnyPre {
    pub(super) fn new(pre: InstancePre<State>, world: World) -> wasmtime::Result<Self> {
        Ok(match world {
            World::Agent => Self::Agent(agent::AgentPre::new(pre)?),
            World::Analyzer => Self::Analyzer(analyzer::AnalyzerPre::new(pre)?),
            World::Handler => Self::Handler(handler::HandlerPre::new(pre)?),
        })
    }

    pub(super) async fn instantiate(&self, store: &mut Store<State>) -> wasmtime::Result<Instance> {
        Ok(match self {
            Self::Agent(pre) => Instance::Agent(pre.instantiate_async(store).await?),
            Self::Analyzer(pre) => Instance::Analyzer(pre.instantiate_async(store).await?),
            Self::Handler(pre) => Instance::Handler(pre.instantiate_async(store).await?),
        })
    }
}

//! The one macro that turns a type into a component.

/// Makes a component of this crate that exports one world for one type. Used once, at the
/// root of a `cdylib` crate:
///
/// ```
/// # struct MyAgent;
/// # impl hothouse_sdk::Agent for MyAgent {
/// #     type Input = hothouse_sdk::serde_json::Value;
/// #     type Output = hothouse_sdk::serde_json::Value;
/// #     fn execute(
/// #         execution: hothouse_sdk::Execution<Self::Input>,
/// #     ) -> Result<Self::Output, hothouse_sdk::HandlerError> {
/// #         Ok(execution.input)
/// #     }
/// # }
/// hothouse_sdk::export!(MyAgent: Agent);
/// ```
///
/// The trait is [`Agent`](crate::Agent), [`Analyzer`](crate::Analyzer) or
/// [`Handler`](crate::Handler). Off wasm32 it only checks that the type implements it.
#[macro_export]
macro_rules! export {
    ($plugin:ty: Agent) => {
        const _: () = {
            type Component = $crate::AgentComponent<$plugin>;
            $crate::__export_world!(agent, Component);
        };
    };
    ($plugin:ty: Analyzer) => {
        const _: () = {
            type Component = $crate::AnalyzerComponent<$plugin>;
            $crate::__export_world!(analyzer, Component);
        };
    };
    ($plugin:ty: Handler) => {
        const _: () = {
            type Component = $crate::HandlerComponent<$plugin>;
            $crate::__export_world!(handler, Component);
        };
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export_world {
    ($world:ident, $component:ident) => {
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::$world::export!($component with_types_in $crate::bindings::$world);

        // The symbols of an export hold `@` and `#`, which a native linker reads its own
        // way, so natively only the types are checked.
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn() = $crate::bindings::$world::check::<$component>;
    };
}

//! `wasi:random` and `wasi:cli/environment`.

use wasmtime::Result;
use wasmtime_wasi::cli::WasiCliCtxView;
use wasmtime_wasi::p2::bindings::cli::environment;
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};

use super::Metered;

impl random::Host for Metered<'_> {
    fn get_random_bytes(&mut self, len: u64) -> Result<Vec<u8>> {
        self.meter.random(len)?;
        random::Host::get_random_bytes(self.wasi.random(), len)
    }

    fn get_random_u64(&mut self) -> Result<u64> {
        self.meter.random(8)?;
        random::Host::get_random_u64(self.wasi.random())
    }
}

impl insecure::Host for Metered<'_> {
    fn get_insecure_random_bytes(&mut self, len: u64) -> Result<Vec<u8>> {
        self.meter.random(len)?;
        insecure::Host::get_insecure_random_bytes(self.wasi.random(), len)
    }

    fn get_insecure_random_u64(&mut self) -> Result<u64> {
        self.meter.random(8)?;
        insecure::Host::get_insecure_random_u64(self.wasi.random())
    }
}

impl insecure_seed::Host for Metered<'_> {
    fn insecure_seed(&mut self) -> Result<(u64, u64)> {
        insecure_seed::Host::insecure_seed(self.wasi.random())
    }
}

impl Metered<'_> {
    fn cli(&mut self) -> WasiCliCtxView<'_> {
        WasiCliCtxView {
            ctx: self.wasi.cli(),
            table: self.table,
        }
    }
}

impl environment::Host for Metered<'_> {
    fn get_environment(&mut self) -> Result<Vec<(String, String)>> {
        let variables = self.cli().get_environment()?;
        let bytes = variables
            .iter()
            .map(|(name, value)| name.len() + value.len());
        self.meter.gave(bytes.sum());
        Ok(variables)
    }

    fn get_arguments(&mut self) -> Result<Vec<String>> {
        self.cli().get_arguments()
    }

    fn initial_cwd(&mut self) -> Result<Option<String>> {
        self.cli().initial_cwd()
    }
}

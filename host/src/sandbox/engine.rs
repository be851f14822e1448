//! The engine's settings and what guests are linked to.
//!
//! Settings and their reasons: `docs/adr/0005-sandbox-settings.md`.

use std::num::NonZeroUsize;
use std::os::fd::AsRawFd as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wasmparser::WasmFeatures;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, HasData, HasSelf, Linker, ResourceTable};
use wasmtime::error::Context as _;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{HostMonotonicClock, HostWallClock, WasiClocks, WasiClocksView};
use wasmtime_wasi::{FsPerms, WasiCtx};

use super::bindings::logging;
use super::instruments::{Instruments, MAX_FRAMES};
use super::journal::Journal;
use super::limits::TABLE_ELEMENTS;
use super::meter::HasMetered;
use super::{Access, Grants, Outbound, State, operators, outbound};

/// What one component may hold of the pool: its core instances with their memories and tables,
/// and the bytes that Wasmtime keeps for each and for all. Rust components have three, one and
/// two.
const CORE_INSTANCES: u32 = 16;
const MEMORIES: u32 = 2;
const TABLES: u32 = 8;
const CORE_INSTANCE_BYTES: usize = 1 << 20;
const COMPONENT_BYTES: usize = 1 << 20;

/// What the linker offers, by package and interface. Everything else is refused by name at
/// load.
const GRANTED: [&str; 20] = [
    "hothouse:agent/types",
    "hothouse:agent/logging",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/stderr",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:cli/terminal-stderr",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:random/",
];

/// As [`GRANTED`], for plugins that have origins.
const GRANTED_WITH_ORIGINS: [&str; 2] = ["wasi:http/types", "wasi:http/outgoing-handler"];

pub(super) fn engine(slots: u32, instruments: Instruments) -> wasmtime::Result<Engine> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_stacks(slots)
        .total_core_instances(slots * CORE_INSTANCES)
        .total_memories(slots * MEMORIES)
        .total_tables(slots * TABLES)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .max_memories_per_module(MEMORIES)
        .max_tables_per_module(TABLES)
        .max_core_instance_size(CORE_INSTANCE_BYTES)
        .max_component_instance_size(COMPONENT_BYTES)
        .table_elements(TABLE_ELEMENTS)
        .linear_memory_keep_resident(1 << 20)
        .table_keep_resident(64 << 10)
        // It would leave dirty pages that were swapped out to the next instance.
        .pagemap_scan(Enabled::No);
    let mut config = settings(instruments);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}

/// For a process that compiles and runs nothing: without the pool's address space. What it
/// compiles is what [`engine`] would.
pub(super) fn compiling(instruments: Instruments) -> wasmtime::Result<Engine> {
    Engine::new(&settings(instruments))
}

/// What the compiler and every run depend on.
fn settings(instruments: Instruments) -> Config {
    let mut config = Config::new();
    config
        .concurrency_support(false)
        .consume_fuel(true)
        .operator_cost(operators::costs())
        .cranelift_opt_level(OptLevel::Speed)
        .max_wasm_stack(512 << 10)
        .async_stack_size(2 << 20)
        .wasm_features(WasmFeatures::all().difference(operators::FEATURES), false)
        .wasm_backtrace_max_frames(NonZeroUsize::new(match instruments.profile {
            true => MAX_FRAMES,
            false => 16,
        }))
        .epoch_interruption(instruments.profile)
        .coredump_on_trap(instruments.coredump);
    config
}

pub(super) fn names(engine: &Engine, component: &Component) -> (Vec<String>, Vec<String>) {
    let component = component.component_type();
    let imports = component
        .imports(engine)
        .map(|(name, item)| match item.ty {
            // A lone function or value has no package to tell where it is from.
            ComponentItem::ComponentInstance(_) => name.to_owned(),
            _ => format!("{name} (not an interface)"),
        })
        .collect();
    let exports = component
        .exports(engine)
        .map(|(name, _)| name.to_owned())
        .collect();
    (imports, exports)
}

pub(super) fn is_granted(import: &str, outbound: &Outbound) -> bool {
    let interface = import.split('@').next().unwrap_or(import);
    let with_origins: &[&str] = match outbound.is_empty() {
        true => &[],
        false => &GRANTED_WITH_ORIGINS,
    };
    GRANTED
        .iter()
        .chain(with_origins)
        .any(|granted| match granted.strip_suffix('/') {
            Some(package) => interface.split('/').next() == Some(package),
            None => interface == *granted,
        })
}

/// Interface by interface, so that nothing comes along unasked: no sockets, no incoming HTTP.
pub(super) fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, random};
    use wasmtime_wasi_io::bindings::wasi::io;

    let mut linker = Linker::new(engine);
    let l = &mut linker;
    logging::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;
    io::error::add_to_linker::<State, HasTable>(l, |state| &mut state.table)?;
    io::poll::add_to_linker::<State, HasMetered>(l, State::metered)?;
    io::streams::add_to_linker::<State, HasMetered>(l, State::metered)?;
    cli::environment::add_to_linker::<State, HasMetered>(l, State::metered)?;
    cli::exit::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::stdin::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::stdout::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::stderr::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_input::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_output::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_stdin::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_stdout::add_to_linker::<State, WasiCli>(l, State::cli)?;
    cli::terminal_stderr::add_to_linker::<State, WasiCli>(l, State::cli)?;
    clocks::monotonic_clock::add_to_linker::<State, WasiClocks>(l, State::clocks)?;
    clocks::wall_clock::add_to_linker::<State, WasiClocks>(l, State::clocks)?;
    filesystem::preopens::add_to_linker::<State, HasMetered>(l, State::metered)?;
    filesystem::types::add_to_linker::<State, HasMetered>(l, State::metered)?;
    random::random::add_to_linker::<State, HasMetered>(l, State::metered)?;
    random::insecure::add_to_linker::<State, HasMetered>(l, State::metered)?;
    random::insecure_seed::add_to_linker::<State, HasMetered>(l, State::metered)?;
    outbound::link(l)?;
    Ok(linker)
}

struct HasTable;

impl HasData for HasTable {
    type Data<'a> = &'a mut ResourceTable;
}

/// No arguments, no input, no network; output goes to the journal. Files and environment are
/// what is granted.
pub(super) fn wasi(journal: &Journal, grants: &Grants) -> wasmtime::Result<WasiCtx> {
    let mut wasi = WasiCtx::builder();
    wasi.stdout(journal.stdout())
        .stderr(journal.stderr())
        .wall_clock(CoarseClock)
        .monotonic_clock(CoarseClock::starting_now())
        // The meter bounds it.
        .max_random_size(u64::MAX)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false);
    for mount in &grants.mounts {
        let perms = match mount.access {
            Access::Read => FsPerms::ReadOnly,
            Access::Write => FsPerms::ReadWrite,
        };
        let mut mounted = || {
            let directory = mount.open()?;
            // WASI takes paths alone. This one is the open directory, wherever it is by now.
            let path = format!("/proc/self/fd/{}", directory.as_raw_fd());
            wasi.preopened_dir(path, &mount.at, perms)?;
            wasmtime::Result::<()>::Ok(())
        };
        mounted().with_context(|| format!("cannot mount {}", mount.directory.display()))?;
    }
    for (name, value) in &grants.environment {
        wasi.env(name, value.reveal());
    }
    Ok(wasi.build())
}

/// A millisecond is as fine as a guest sees time: too coarse to time the host's caches.
const COARSE: Duration = Duration::from_millis(1);

struct CoarseClock;

impl CoarseClock {
    fn starting_now() -> CoarseMonotonic {
        CoarseMonotonic(std::time::Instant::now())
    }
}

impl HostWallClock for CoarseClock {
    fn resolution(&self) -> Duration {
        COARSE
    }

    fn now(&self) -> Duration {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        coarse(since.unwrap_or_default())
    }
}

struct CoarseMonotonic(std::time::Instant);

impl HostMonotonicClock for CoarseMonotonic {
    fn resolution(&self) -> u64 {
        nanos(COARSE)
    }

    fn now(&self) -> u64 {
        nanos(coarse(self.0.elapsed()))
    }
}

fn coarse(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_compiling_process_compiles_is_what_a_host_loads() {
        for profile in [false, true] {
            let instruments = Instruments {
                profile,
                coredump: profile,
            };
            let host = engine(1, instruments).expect("a host's engine");
            let compiling = compiling(instruments).expect("a compiling engine");
            assert_eq!(
                hothouse_artifact::settings(&host),
                hothouse_artifact::settings(&compiling)
            );
        }
    }
}

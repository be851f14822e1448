//! What the host does for a guest: charged in fuel, and bounded.
//!
//! Every call and every byte has its price in [`price`], so that a guest cannot make the host
//! work for longer than it could work itself. What a guest passes and what it is given is counted
//! in [`Metered`], through which all of WASI goes that handles more than a few bytes; what was
//! counted is charged when the host function returns.

mod files;
mod sources;
mod streams;

use wasmtime::component::{HasData, Resource, ResourceAny, ResourceTable};
use wasmtime::{AsContextMut as _, CallHook, CallHookHandler, Store, StoreContextMut, Trap};
use wasmtime_wasi::WasiCtx;

use super::{Limits, State, instruments};

/// What the host's work costs, in fuel. An instruction of the guest's costs one.
mod price {
    /// A call to the host, whatever it does. So do a growth of memory or of a table, a handle that
    /// is made or dropped, and each yield.
    pub(super) const CALL: u64 = 500;
    /// A byte that is passed to the host or given to the guest, a byte of log among them.
    pub(super) const BYTE: u64 = 4;
    /// An operation on a file or directory: it goes through another thread and the kernel.
    pub(super) const FILE: u64 = 5_000;
    /// A random byte.
    pub(super) const RANDOM_BYTE: u64 = 16;
}

/// Fuel between two yields, whoever uses it: a busy guest lets others run, and is stopped by its
/// time limit, within this much.
pub(super) const YIELD_INTERVAL: u64 = 100_000;

/// What a result may have beside its text, in bytes.
const RESULT_SLACK: usize = 64 * 1024;

/// Resources of the host's behind one handle of the guest's, at most: a pollable has two.
const RESOURCES_FOR_EACH: usize = 4;

/// A guest wanted more of the host than one of its limits allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Exceeded {
    #[error("passed more than {0} bytes to the host in one call (`host_call_bytes`)")]
    HostCallBytes(usize),
    #[error("passed more than {0} bytes to the host in all its calls (`host_bytes`)")]
    HostBytes(usize),
    #[error("asked for more than {0} random bytes (`random_bytes`)")]
    RandomBytes(u64),
    #[error("sent more than {0} requests over HTTP (`http_requests`)")]
    HttpRequests(u32),
    #[error("holds more than {0} handles (`handles`)")]
    Handles(usize),
}

/// Counts what the host does for one run.
pub(super) struct Meter {
    limits: Limits,
    /// Of [`Limits::host_bytes`].
    bytes_left: usize,
    /// Of [`Limits::random_bytes`].
    random_left: u64,
    /// What the guest could pass in the call that is under way, or was the last.
    allowed: usize,
    /// Fuel for what the call under way has done so far.
    owed: u64,
    /// The guest yields when its fuel is less.
    yield_below: u64,
    handles_used_up: bool,
}

impl Meter {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            limits: *limits,
            bytes_left: limits.host_bytes,
            random_left: limits.random_bytes,
            allowed: 0,
            owed: 0,
            yield_below: limits.fuel.saturating_sub(YIELD_INTERVAL),
            handles_used_up: false,
        }
    }

    /// Bytes that the guest passed.
    pub(super) fn took(&mut self, bytes: usize) {
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
        self.owes(bytes as u64, price::BYTE);
    }

    /// Bytes that the guest is given.
    pub(super) fn gave(&mut self, bytes: usize) {
        self.owes(bytes as u64, price::BYTE);
    }

    fn file(&mut self) {
        self.owes(1, price::FILE);
    }

    fn random(&mut self, bytes: u64) -> Result<(), Exceeded> {
        let left = self.random_left.checked_sub(bytes);
        self.random_left = left.ok_or(Exceeded::RandomBytes(self.limits.random_bytes))?;
        self.owes(bytes, price::RANDOM_BYTE);
        Ok(())
    }

    fn owes(&mut self, units: u64, price: u64) {
        self.owed = self.owed.saturating_add(units.saturating_mul(price));
    }

    /// The limit that a guest went over whose data the host did not take in a call.
    pub(super) fn passed_too_much(&self) -> Exceeded {
        if self.allowed < self.limits.host_call_bytes {
            return Exceeded::HostBytes(self.limits.host_bytes);
        }
        Exceeded::HostCallBytes(self.limits.host_call_bytes)
    }

    /// Whether the guest held all the handles that it may when it died.
    pub(super) fn handles_used_up(&self) -> Option<Exceeded> {
        self.handles_used_up
            .then_some(Exceeded::Handles(self.limits.handles))
    }

    fn call_begins(&mut self) -> u64 {
        self.allowed = self.limits.host_call_bytes.min(self.bytes_left);
        price::CALL
    }

    fn call_ends(&mut self) -> u64 {
        std::mem::take(&mut self.owed)
    }

    /// Whether it is time for a yield, at this fuel.
    fn yields(&mut self, fuel: u64) -> bool {
        if fuel >= self.yield_below {
            return false;
        }
        self.yield_below = fuel.saturating_sub(YIELD_INTERVAL);
        true
    }
}

/// Puts a store under its limits.
pub(super) fn limit(store: &mut Store<State>, limits: &Limits) -> wasmtime::Result<()> {
    store.limiter(|state| &mut state.limiter);
    store.set_fuel(limits.fuel)?;
    store.fuel_async_yield_interval(Some(YIELD_INTERVAL))?;
    store.set_hostcall_fuel(result_bytes(limits));
    store.set_max_component_handles(limits.handles);
    store.call_hook_async(Toll);
    Ok(())
}

fn result_bytes(limits: &Limits) -> usize {
    limits.output_bytes.saturating_add(RESULT_SLACK)
}

/// Where the host's resources of a run are. The guest's handles run out before it is full.
pub(super) fn table(limits: &Limits) -> ResourceTable {
    let mut table = ResourceTable::new();
    table.set_max_capacity(limits.handles.saturating_mul(RESOURCES_FOR_EACH));
    table
}

/// Wasmtime says in a bare message that a guest holds too many handles. Whether it does is asked
/// of the store: then there is no room for one more.
pub(super) fn note_handles(store: &mut Store<State>) {
    struct Probe;
    let probe = Resource::<Probe>::new_own(0);
    let full = ResourceAny::try_from_resource(probe, &mut *store).is_err();
    store.data_mut().meter.handles_used_up = full;
}

/// Charges on the way into the host and out of it.
struct Toll;

#[async_trait::async_trait]
impl CallHookHandler<State> for Toll {
    async fn handle_call_event(
        &self,
        mut store: StoreContextMut<'_, State>,
        event: CallHook,
    ) -> wasmtime::Result<()> {
        instruments::host_call(store.as_context_mut(), event);
        let meter = &mut store.data_mut().meter;
        let (cost, lift) = match event {
            CallHook::CallingHost => (meter.call_begins(), meter.allowed),
            // What is lifted next is what the guest passes to the next call, or its result.
            CallHook::ReturningFromHost => (meter.call_ends(), result_bytes(&meter.limits)),
            CallHook::CallingWasm | CallHook::ReturningFromWasm => return Ok(()),
        };
        store.set_hostcall_fuel(lift);
        charge(&mut store, cost).await
    }
}

/// Setting the fuel begins a new interval of Wasmtime's, so that a guest which calls the host
/// often enough would never yield: it yields here.
async fn charge(store: &mut StoreContextMut<'_, State>, cost: u64) -> wasmtime::Result<()> {
    if cost == 0 {
        return Ok(());
    }
    let Some(left) = store.get_fuel()?.checked_sub(cost) else {
        store.set_fuel(0)?;
        return Err(Trap::OutOfFuel.into());
    };
    store.set_fuel(left)?;
    if store.data_mut().meter.yields(left) {
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// WASI with a meter in it.
pub(super) struct Metered<'a> {
    pub(super) wasi: &'a mut WasiCtx,
    pub(super) table: &'a mut ResourceTable,
    pub(super) meter: &'a mut Meter,
}

/// For the linker: the host functions that take a [`Metered`].
pub(super) struct HasMetered;

impl HasData for HasMetered {
    type Data<'a> = Metered<'a>;
}

//! What one run has of HTTP, and what its guest is linked to.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceTable};
use wasmtime_wasi_http::p2::bindings::http::outgoing_handler::Host as _;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::types::{HostFutureIncomingResponse, HostOutgoingRequest};
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks,
};

use super::exchange::{Connection, Exchange, Times};
use super::resolve::{Permitted, resolve};
use super::{Denied, Origin, Outbound, types};
use crate::failure::clean;
use crate::sandbox::meter::Exceeded;
use crate::sandbox::{Limits, State};

/// Of the WASI that is linked; guests of any other 0.2 find it too.
const HANDLER: &str = "wasi:http/outgoing-handler@0.2.12";

/// Connections of one run that are open at a time. Further requests wait for one to end.
const MAX_OPEN: usize = 8;

/// Header fields of one resource as the host holds them, in bytes.
pub(in crate::sandbox) const MAX_FIELDS: usize = 64 * 1024;

/// How much of what is no origin stands in a message, in bytes.
const MAX_ASKED: usize = 256;

/// Bytes of a request's body that are taken at a time.
const CHUNK: usize = 64 * 1024;

/// The requests of one run.
pub(in crate::sandbox) struct Client {
    outbound: Arc<Outbound>,
    limits: Limits,
    left: u32,
    open: Arc<Semaphore>,
    fields: WasiHttpCtx,
    hooks: Hooks,
}

impl Client {
    pub(in crate::sandbox) fn new(outbound: &Arc<Outbound>, limits: &Limits) -> Self {
        let mut fields = WasiHttpCtx::new();
        fields.set_field_size_limit(MAX_FIELDS);
        Self {
            outbound: Arc::clone(outbound),
            limits: *limits,
            left: limits.http_requests,
            open: Arc::new(Semaphore::new(MAX_OPEN)),
            fields,
            hooks: Hooks(None),
        }
    }

    /// The library's view of it.
    pub(super) fn view<'a>(&'a mut self, table: &'a mut ResourceTable) -> WasiHttpCtxView<'a> {
        view(&mut self.hooks, table, &mut self.fields)
    }

    /// Counts one more request.
    fn count(&mut self) -> Result<(), Exceeded> {
        let left = self.left.checked_sub(1);
        self.left = left.ok_or(Exceeded::HttpRequests(self.limits.http_requests))?;
        Ok(())
    }
}

/// Interface by interface: nobody calls guests over HTTP.
pub(in crate::sandbox) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    types::link(linker)?;
    linker.instance(HANDLER)?.func_wrap_async(
        "handle",
        |mut store: StoreContextMut<'_, State>, (request, options): (_, Option<_>)| {
            Box::new(async move { Ok((handle(store.data_mut(), request, options).await?,)) })
        },
    )?;
    Ok(())
}

fn view<'a>(
    hooks: &'a mut Hooks,
    table: &'a mut ResourceTable,
    ctx: &'a mut WasiHttpCtx,
) -> WasiHttpCtxView<'a> {
    WasiHttpCtxView { hooks, table, ctx }
}

/// `wasi:http/outgoing-handler.handle`. Whether the request may be made at all is known when it
/// returns, and the run ends where it may not; the rest comes with the response. Lookups of one
/// run are made one after the other.
async fn handle(
    state: &mut State,
    request: Resource<HostOutgoingRequest>,
    options: Option<Resource<RequestOptions>>,
) -> wasmtime::Result<Result<Resource<HostFutureIncomingResponse>, ErrorCode>> {
    let options = match options {
        Some(options) => Some(state.table.delete(options)?),
        None => None,
    };
    state.http.count()?;
    let times = Times::starting_now(state.http.limits.http_timeout(), options);
    let origin = origin(state, &request)?;
    let outbound = Arc::clone(&state.http.outbound);
    let to = match lookup(&outbound, origin, times.connected_by).await? {
        Ok(to) => to,
        Err(error) => {
            state.table.delete(request)?;
            let failed = HostFutureIncomingResponse::Ready(Err(error));
            return Ok(Ok(state.table.push(failed)?));
        }
    };
    let mut hooks = Hooks(Some(Exchange {
        to,
        times,
        response_bytes: state.http.limits.http_response_bytes,
        open: Arc::clone(&state.http.open),
    }));
    let mut view = view(&mut hooks, &mut state.table, &mut state.http.fields);
    match view.handle(request, None) {
        Ok(response) => Ok(Ok(response)),
        Err(error) => Ok(Err(error.downcast()?)),
    }
}

/// What the request asks for, where that is granted.
fn origin(state: &State, request: &Resource<HostOutgoingRequest>) -> wasmtime::Result<Origin> {
    let request = state.table.get(request)?;
    let scheme = match &request.scheme {
        Some(Scheme::Http) => "http",
        Some(Scheme::Https) | None => "https",
        Some(Scheme::Other(other)) => other,
    };
    let asked = format!("{scheme}://{}", request.authority.as_deref().unwrap_or(""));
    match asked.parse() {
        Ok(origin) => Ok(state.http.outbound.granted(origin)?),
        Err(reason) => {
            let asked = clean(&asked, MAX_ASKED);
            Err(Denied::NoOrigin { asked, reason }.into())
        }
    }
}

/// Where it leads to, looked up once.
///
/// # Errors
/// [`Denied`], which ends the run; within, what the guest is told.
async fn lookup(
    outbound: &Outbound,
    origin: Origin,
    by: Instant,
) -> Result<Result<Permitted, Error>, Denied> {
    let found = match timeout_at(by, resolve(&outbound.lookups, &origin)).await {
        Ok(Ok(found)) => found,
        Ok(Err(_)) => {
            return Ok(Err(Error::DnsError {
                rcode: None,
                info_code: None,
            }));
        }
        Err(_) => return Ok(Err(Error::DnsTimeout)),
    };
    let permitted = outbound.permit(origin, &found)?;
    Ok(permitted.ok_or(Error::DestinationNotFound))
}

/// What a request is sent with: nothing, but for the one that [`handle`] has checked.
struct Hooks(Option<Exchange>);

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        request: hyper::Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<(hyper::Response<WasiBody>, Connection), Error>> + Send>
    {
        let exchange = self.0.take();
        Box::new(async move {
            match exchange {
                Some(exchange) => exchange.send(request).await,
                None => Err(Error::HttpRequestDenied),
            }
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK
    }
}

//! `wasi:http/types` with a meter in it.
//!
//! The library's functions know no meter. Those through which a guest passes or is given more than
//! a few bytes are replaced by ours, which count and call them; what is kept of a guest's strings
//! is then within `host_bytes`.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, LinkerInstance, Resource};
use wasmtime_wasi_http::p2::HeaderResult;
use wasmtime_wasi_http::p2::bindings::http::types::{
    self, ErrorCode, HeaderError, HostFields as _, HostOutgoingRequest as _, IoError, Method,
    Scheme,
};
use wasmtime_wasi_http::p2::types::HostOutgoingRequest;
use wasmtime_wasi_http::{Error, FieldMap, WasiHttp, WasiHttpCtxView};

use crate::sandbox::State;
use crate::sandbox::meter::Meter;

/// Of the WASI that is linked; guests of any other 0.2 find it too.
const TYPES: &str = "wasi:http/types@0.2.12";

/// What the host holds for a header field beside its name and value, in bytes.
const FIELD: usize = 128;

type Store<'a> = StoreContextMut<'a, State>;
type Fields = Resource<FieldMap>;
type Request = Resource<HostOutgoingRequest>;

/// The library's functions, and ours in place of some of them.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let options = types::LinkOptions::default();
    types::add_to_linker::<State, WasiHttp>(linker, &options, |state| metered(state).0)?;
    linker.allow_shadowing(true);
    let mut instance = linker.instance(TYPES)?;
    read_fields(&mut instance)?;
    write_fields(&mut instance)?;
    read_requests(&mut instance)?;
    write_requests(&mut instance)?;
    // The library's looks for a type that it does not put there itself.
    instance.func_wrap(
        "http-error-code",
        |store: Store<'_>, (error,): (Resource<IoError>,)| {
            let error = store.data().table.get(&error)?;
            Ok((error.downcast_ref().and_then(error_code),))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

fn metered(state: &mut State) -> (WasiHttpCtxView<'_>, &mut Meter) {
    let State {
        http, table, meter, ..
    } = state;
    (http.view(table), meter)
}

fn read_fields(types: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    types.func_wrap(
        "[method]fields.get",
        |mut store: Store<'_>, (fields, name): (Fields, String)| {
            let (mut http, meter) = metered(store.data_mut());
            meter.took(name.len());
            let values = http.get(fields, name)?;
            meter.gave(values.iter().map(|value| FIELD + value.len()).sum());
            Ok((values,))
        },
    )?;
    types.func_wrap(
        "[method]fields.has",
        |mut store: Store<'_>, (fields, name): (Fields, String)| {
            let (mut http, meter) = metered(store.data_mut());
            meter.took(name.len());
            Ok((http.has(fields, name)?,))
        },
    )?;
    types.func_wrap(
        "[method]fields.entries",
        |mut store: Store<'_>, (fields,): (Fields,)| {
            let (mut http, meter) = metered(store.data_mut());
            meter.gave(size(http.table.get(&fields)?));
            Ok((http.entries(fields)?,))
        },
    )?;
    // The library copies at the first change to either of the two: a clone pays for that.
    types.func_wrap(
        "[method]fields.clone",
        |mut store: Store<'_>, (fields,): (Fields,)| {
            let (mut http, meter) = metered(store.data_mut());
            meter.took(size(http.table.get(&fields)?));
            Ok((types::HostFields::clone(&mut http, fields)?,))
        },
    )
}

fn write_fields(types: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    types.func_wrap(
        "[static]fields.from-list",
        |mut store: Store<'_>, (entries,): (Vec<(String, Vec<u8>)>,)| {
            let (mut http, meter) = metered(store.data_mut());
            let sizes = entries
                .iter()
                .map(|(name, value)| FIELD + name.len() + value.len());
            meter.took(sizes.sum());
            Ok((told(http.from_list(entries))?,))
        },
    )?;
    types.func_wrap(
        "[method]fields.set",
        |mut store: Store<'_>, (fields, name, values): (Fields, String, Vec<Vec<u8>>)| {
            let (mut http, meter) = metered(store.data_mut());
            let sizes = values.iter().map(|value| FIELD + value.len());
            meter.took(FIELD + name.len() + sizes.sum::<usize>());
            Ok((told(http.set(fields, name, values))?,))
        },
    )?;
    types.func_wrap(
        "[method]fields.delete",
        |mut store: Store<'_>, (fields, name): (Fields, String)| {
            let (mut http, meter) = metered(store.data_mut());
            meter.took(name.len());
            Ok((told(http.delete(fields, name))?,))
        },
    )?;
    types.func_wrap(
        "[method]fields.append",
        |mut store: Store<'_>, (fields, name, value): (Fields, String, Vec<u8>)| {
            let (mut http, meter) = metered(store.data_mut());
            meter.took(FIELD + name.len() + value.len());
            Ok((told(http.append(fields, name, value))?,))
        },
    )
}

fn read_requests(types: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    types.func_wrap(
        "[method]outgoing-request.method",
        |mut store: Store<'_>, (request,): (Request,)| {
            let (mut http, meter) = metered(store.data_mut());
            let method = http.method(request)?;
            meter.gave(method_bytes(&method));
            Ok((method,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.path-with-query",
        |mut store: Store<'_>, (request,): (Request,)| {
            let (mut http, meter) = metered(store.data_mut());
            let path = http.path_with_query(request)?;
            meter.gave(text_bytes(&path));
            Ok((path,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.scheme",
        |mut store: Store<'_>, (request,): (Request,)| {
            let (mut http, meter) = metered(store.data_mut());
            let scheme = http.scheme(request)?;
            meter.gave(scheme_bytes(&scheme));
            Ok((scheme,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.authority",
        |mut store: Store<'_>, (request,): (Request,)| {
            let (mut http, meter) = metered(store.data_mut());
            let authority = http.authority(request)?;
            meter.gave(text_bytes(&authority));
            Ok((authority,))
        },
    )
}

fn write_requests(types: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    types.func_wrap(
        "[method]outgoing-request.set-method",
        |mut store: Store<'_>, (request, method): (Request, Method)| {
            let (mut http, meter) = metered(store.data_mut());
            meter.took(method_bytes(&method));
            Ok((http.set_method(request, method)?,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-path-with-query",
        |mut store: Store<'_>, (request, path): (Request, Option<String>)| {
            let (mut http, meter) = metered(store.data_mut());
            meter.took(text_bytes(&path));
            Ok((http.set_path_with_query(request, path)?,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-scheme",
        |mut store: Store<'_>, (request, scheme): (Request, Option<Scheme>)| {
            let (mut http, meter) = metered(store.data_mut());
            meter.took(scheme_bytes(&scheme));
            Ok((http.set_scheme(request, scheme)?,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-authority",
        |mut store: Store<'_>, (request, authority): (Request, Option<String>)| {
            let (mut http, meter) = metered(store.data_mut());
            meter.took(text_bytes(&authority));
            Ok((http.set_authority(request, authority)?,))
        },
    )
}

/// What a guest is told of a change to fields, apart from what ends its run.
fn told<T>(result: HeaderResult<T>) -> wasmtime::Result<Result<T, HeaderError>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) => Ok(Err(error.downcast()?)),
    }
}

fn size(fields: &FieldMap) -> usize {
    let sizes = fields
        .iter()
        .map(|(name, value)| FIELD + name.as_str().len() + value.len());
    sizes.sum()
}

fn text_bytes(text: &Option<String>) -> usize {
    text.as_ref().map_or(0, String::len)
}

fn scheme_bytes(scheme: &Option<Scheme>) -> usize {
    match scheme {
        Some(Scheme::Other(text)) => text.len(),
        Some(Scheme::Http | Scheme::Https) | None => 0,
    }
}

fn method_bytes(method: &Method) -> usize {
    match method {
        Method::Other(text) => text.len(),
        // WASI's names, each a few bytes.
        _ => 0,
    }
}

/// The code of an error that ended a response's body.
fn error_code(error: &Error) -> Option<ErrorCode> {
    match error {
        Error::HttpResponseTimeout => Some(ErrorCode::HttpResponseTimeout),
        Error::ConnectionReadTimeout => Some(ErrorCode::ConnectionReadTimeout),
        Error::HttpResponseBodySize(size) => Some(ErrorCode::HttpResponseBodySize(*size)),
        Error::HttpResponseHeaderSectionSize(size) => {
            Some(ErrorCode::HttpResponseHeaderSectionSize(*size))
        }
        Error::HttpResponseIncomplete => Some(ErrorCode::HttpResponseIncomplete),
        Error::ConnectionTerminated => Some(ErrorCode::ConnectionTerminated),
        Error::HttpProtocolError => Some(ErrorCode::HttpProtocolError),
        // Wasmtime's type: no other ends a body (`Timed`, `translate`).
        _ => None,
    }
}

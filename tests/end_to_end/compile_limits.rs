//! Components that are too much to compile: each is refused with the limit that it met, and the
//! host serves the other plugins.

use std::fs::File;

use serde_json::json;

use crate::event::{id_of, started};
use crate::harness::eventually;
use crate::site::{AGENTS, Site, agent};

/// A component that takes half a minute and more than half a gigabyte to compile: one function
/// of a megabyte, most of it branches.
fn compile_bomb() -> Vec<u8> {
    // local.get 0, if, local.get 0, i32.const 7, i32.mul, local.set 0, end
    let branch = [0x20, 0, 0x04, 0x40, 0x20, 0, 0x41, 7, 0x6c, 0x21, 0, 0x0b];
    let mut body = vec![0];
    body.extend(branch.repeat(83_000));
    body.extend([0x20, 0, 0x0b]);
    let code = [&[1][..], &leb(body.len()), &body].concat();
    let core = [
        &b"\0asm\x01\0\0\0"[..],
        &section(1, &[1, 0x60, 1, 0x7f, 1, 0x7f]),
        &section(3, &[1, 0]),
        &section(10, &code),
    ]
    .concat();
    [&b"\0asm\x0d\0\x01\0"[..], &section(1, &core)].concat()
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id][..], &leb(content.len()), content].concat()
}

/// A number as WebAssembly writes it.
fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A site whose plugin `bomb` is this component with these limits, beside one that is whole.
fn site_with(component: &[u8], limits: &str) -> Site {
    let site = Site::on_sqlite();
    site.install_bytes("bomb", "world = \"agent\"", component);
    site.install("slow-echo-agent", "world = \"agent\"");
    site.configure(&format!(
        "{}{}[plugins.bomb.limits]\n{limits}\n",
        agent("bomb", "retry_delays_ms = []"),
        agent("slow-echo-agent", "")
    ));
    site
}

/// Serves both plugins an event: the bomb's fails with `limit` named, the other's is handled,
/// and nothing is left of the compiler.
async fn the_host_goes_on_and_names(limit: &str, site: &Site) {
    let mut host = site.serve();
    let bad = started("bomb", json!({ "seq": 1 }));
    let good = started("slow-echo-agent", json!({ "seq": 2 }));
    site.publish(&[bad.clone(), good.clone()]).await;
    let outcome = site.outcome_of(AGENTS, id_of(&good)).await;
    assert_eq!(outcome.kind(), "agent.execution.completed");
    let failed = site.outcome_of(AGENTS, id_of(&bad)).await;
    assert_eq!(failed.error_type(), "plugin_unavailable");
    let message = failed.data["error_message"].as_str().expect("a message");
    assert!(message.contains(&format!("`{limit}`")), "{message}");
    assert!(host.is_running(), "{}", host.log());
    assert_eq!(host.children(), Vec::<u32>::new());
}

#[tokio::test]
async fn a_component_that_takes_too_long_to_compile_is_refused_and_its_compiler_gone() {
    let site = site_with(&compile_bomb(), "compile_ms = 1000");
    the_host_goes_on_and_names("compile_ms", &site).await;
}

#[tokio::test]
async fn a_component_that_takes_too_much_memory_to_compile_is_refused() {
    // What is denied differs with the limit: a thread, the program's allocator, the compiler's.
    for limit in [20_000_000, 150_000_000, 250_000_000] {
        let limits = format!("compile_memory_bytes = {limit}");
        let site = site_with(&compile_bomb(), &limits);
        the_host_goes_on_and_names("compile_memory_bytes", &site).await;
    }
}

#[tokio::test]
async fn a_host_that_compiles_ends_when_it_is_told_to() {
    let site = site_with(&compile_bomb(), "compile_ms = 600000");
    let mut host = site.serve();
    eventually("the compiler runs", async || {
        (!host.children().is_empty()).then_some(())
    })
    .await;
    let compilers = host.children();
    host.terminate();
    assert_eq!(host.exit_code().await, Some(0), "{}", host.log());
    for compiler in compilers {
        eventually("the compiler is gone", async || {
            let path = format!("/proc/{compiler}");
            (!std::path::Path::new(&path).exists()).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_component_whose_artifact_is_too_large_is_refused() {
    let site = Site::on_sqlite();
    site.install(
        "slow-echo-agent",
        "world = \"agent\"\nlimits.artifact_bytes = 1000",
    );
    let args = ["plugin", "inspect", "plugins/slow-echo-agent"];
    let refused = site.hothouse(&args).await.exits(1);
    assert!(refused.stderr.contains("`artifact_bytes`"), "{refused:?}");
}

#[tokio::test]
async fn a_component_that_is_too_large_is_refused_before_it_is_read() {
    let site = site_with(b"", "");
    let path = site.folder().join("plugins/bomb/bomb.wasm");
    // The second is more than any memory holds.
    for bytes in [200 << 20, 1 << 40] {
        let file = File::create(&path).expect("a component's file");
        file.set_len(bytes).expect("make it large");
        let args = ["plugin", "inspect", "bomb"];
        let refused = site.hothouse(&args).await.exits(1);
        assert!(
            refused.stderr.contains("more than 67108864 bytes"),
            "{refused:?}"
        );
    }
    the_host_goes_on_and_names("component_bytes", &site).await;
}

#[tokio::test]
async fn who_waits_for_a_long_compile_is_told() {
    let site = site_with(&compile_bomb(), "compile_ms = 3000");
    let args = ["plugin", "inspect", "bomb"];
    let refused = site.hothouse(&args).await.exits(1);
    assert!(refused.stderr.contains("compiling, 1 s"), "{refused:?}");
    assert!(
        refused.stderr.contains("longer than 3000 ms"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_host_that_is_killed_takes_its_compiler_with_it() {
    let site = site_with(&compile_bomb(), "compile_ms = 600000");
    let mut host = site.serve();
    let compiler = eventually("the compiler runs", async || host.children().pop()).await;
    host.kill();
    eventually("the compiler is gone", async || {
        let stat = std::fs::read_to_string(format!("/proc/{compiler}/stat"));
        // Where nobody waits for orphans it stays as a zombie.
        stat.map_or(true, |stat| stat.contains(") Z "))
            .then_some(())
    })
    .await;
}

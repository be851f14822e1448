//! Compiled components that are kept: used again, never trusted, never needed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use crate::process::Answer;
use crate::site::{Site, agent};

const AGENT: &str = "slow-echo-agent";
const INSPECT: [&str; 3] = ["plugin", "inspect", AGENT];

/// No compiler begins with so little.
const NO_COMPILE: &str = "[plugins.slow-echo-agent.limits]\ncompile_memory_bytes = 1\n";

fn site_with(settings: &str) -> Site {
    let site = Site::on_sqlite();
    site.install(AGENT, "world = \"agent\"");
    site.configure(&format!("{settings}\n{}", agent(AGENT, "")));
    site
}

/// A site whose plugin was compiled and kept.
async fn warm() -> Site {
    let site = site_with("");
    site.hothouse(&INSPECT).await.exits(0);
    site
}

fn artifacts(site: &Site) -> Vec<PathBuf> {
    let directory = site.folder().join(".hothouse/cache");
    let entries = fs::read_dir(directory).expect("the cache");
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| !path.ends_with("key"));
    paths
}

fn artifact(site: &Site) -> PathBuf {
    let mut paths = artifacts(site);
    assert_eq!(paths.len(), 1, "{paths:?}");
    paths.remove(0)
}

/// Nothing can be compiled any more, and a host loads the plugin all the same.
async fn is_used_without_a_compiler(site: &Site) {
    site.configure(&format!("{}{NO_COMPILE}", agent(AGENT, "")));
    site.hothouse(&["config", "validate"]).await.exits(0);
    let mut host = site.serve();
    host.logs(&["plugin ready", AGENT]).await;
}

#[tokio::test]
async fn a_component_is_compiled_once_and_then_loaded_without_a_compiler() {
    let site = site_with(NO_COMPILE);
    let refused = site.hothouse(&INSPECT).await.exits(1);
    assert!(
        refused.stderr.contains("compile_memory_bytes"),
        "{refused:?}"
    );
    is_used_without_a_compiler(&warm().await).await;
}

#[tokio::test]
async fn an_artifact_that_was_changed_cut_or_exchanged_is_removed_and_compiled_anew() {
    let site = warm().await;
    let path = artifact(&site);
    let whole = fs::read(&path).expect("the artifact");
    let last = whole.len() - 1;
    let changed = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    let other = warm().await;
    let anothers = fs::read(artifact(&other)).expect("another cache's artifact");
    for wrong in [
        changed(0),
        changed(last / 2),
        changed(last),
        whole[..last].to_vec(),
        Vec::new(),
        anothers,
    ] {
        assert_ne!(wrong, whole);
        fs::write(&path, &wrong).expect("exchange the artifact");
        let answer = site.hothouse(&INSPECT).await.exits(0);
        assert!(answer.stderr.contains("compiling anew"), "{answer:?}");
        assert_ne!(fs::read(&path).expect("a new artifact"), wrong);
        let answer = site.hothouse(&INSPECT).await.exits(0);
        assert_eq!(answer.stderr, "");
    }
    is_used_without_a_compiler(&site).await;
}

#[tokio::test]
async fn processes_that_begin_at_once_share_a_cache() {
    let site = site_with("");
    let inspect = || site.hothouse(&INSPECT);
    let answers = tokio::join!(inspect(), inspect(), inspect(), inspect());
    for answer in <[Answer; 4]>::from(answers) {
        // That the compile takes long may be said.
        let said = answer.exits(0).stderr;
        assert!(!said.contains("WARN"), "{said}");
    }
    artifact(&site);
    is_used_without_a_compiler(&site).await;
}

#[tokio::test]
async fn a_cache_that_others_reach_is_not_used() {
    let site = warm().await;
    let directory = site.folder().join(".hothouse/cache");
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&directory, open).expect("open the cache");
    let answer = site.hothouse(&INSPECT).await.exits(0);
    assert!(answer.stderr.contains("mode 755"), "{answer:?}");
    site.configure(&format!("{}{NO_COMPILE}", agent(AGENT, "")));
    site.hothouse(&INSPECT).await.exits(1);
}

#[tokio::test]
async fn a_cache_that_cannot_be_made_is_done_without() {
    let site = site_with("[host]\ncache = \"hothouse.toml/cache\"");
    let answer = site.hothouse(&INSPECT).await.exits(0);
    assert!(answer.stderr.contains("going on without"), "{answer:?}");
}

#[tokio::test]
async fn a_full_disk_keeps_nothing_and_stops_nothing() {
    let site = warm().await;
    let path = artifact(&site);
    fs::remove_file(&path).expect("empty the cache");
    // No byte goes into any file, as on a full disk.
    let script = "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\"";
    let output = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_hothouse")])
        .args(INSPECT)
        .current_dir(site.folder())
        .env_remove("HOTHOUSE_CONFIG")
        .env_remove("HOTHOUSE_LOG")
        .output()
        .expect("run hothouse");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("is not kept"), "{said}");
    assert_eq!(artifacts(&site), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn without_a_cache_nothing_is_left() {
    let site = site_with("[host]\ncache = false");
    site.hothouse(&INSPECT).await.exits(0);
    assert!(!site.folder().join(".hothouse").exists());
}

//! `hothouse plugin deploy`: the checks, and what is in place after each end of it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};

use crate::event::{id_of, started};
use crate::harness::eventually;
use crate::process::Answer;
use crate::site::{AGENTS, Site, agent, read_guest};

const AGENT: &str = "slow-echo-agent";

/// A version of the agent to deploy, in a folder of the site.
fn version(site: &Site, folder: &str, version: &str, more: &str) {
    let head = format!("name = \"{AGENT}\"\nversion = \"{version}\"\nworld = \"agent\"\n");
    site.write(&format!("{folder}/plugin.toml"), head + more);
    site.write(&format!("{folder}/{AGENT}.wasm"), read_guest(AGENT));
}

async fn deploy(site: &Site, more: &[&str]) -> Answer {
    let args = [&["plugin", "deploy", "new", "--json"], more].concat();
    site.hothouse(&args).await
}

/// Name and version in a plugin's directory.
fn in_place(directory: &Path) -> String {
    let text = fs::read_to_string(directory.join("plugin.toml")).expect("a manifest");
    let manifest = hothouse::plugin::Manifest::parse(&text).expect("a whole manifest");
    manifest.version.to_string()
}

/// What stands in the folder of the plugins.
fn plugins(site: &Site) -> Vec<String> {
    let entries = fs::read_dir(site.folder().join("plugins")).expect("the plugins");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into()
        })
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_deployed_version_runs_after_the_next_start_and_the_one_before_is_kept() {
    let site = Site::with_agent(AGENT);
    version(&site, "new", "2.0.0", "");
    let target = site.folder().join("plugins").join(AGENT);
    let planned = deploy(&site, &["--dry-run"]).await.exits(0).json();
    assert_eq!(planned["deployed"], false);
    assert_eq!(in_place(&target), "1.2.3");

    let mut host = site.serve();
    host.logs(&["plugin ready"]).await;
    let done = deploy(&site, &["--yes"]).await.exits(0).json();
    assert_eq!(done["deployed"], true);
    assert_eq!(done["version"], "2.0.0");
    assert_eq!(done["replaced_version"], "1.2.3");
    assert_eq!(done["digest"].as_str().map(str::len), Some(64));
    assert_eq!(in_place(&target), "2.0.0");
    let previous = site.folder().join("plugins/slow-echo-agent.previous");
    assert_eq!(in_place(&previous), "1.2.3");

    // A host goes on with what it has loaded.
    let run = async |version: &str| {
        let event = started(AGENT, json!({ "seq": 1 }));
        site.publish(std::slice::from_ref(&event)).await;
        let outcome = site.outcome_of(AGENTS, id_of(&event)).await;
        let source = format!("hothouse/{AGENT}@{version}");
        assert_eq!(outcome.envelope["source"], source, "{outcome:#?}");
    };
    run("1.2.3").await;
    host.terminate();
    host.exit_code().await;
    let _host = site.serve();
    run("2.0.0").await;

    // The next one takes the place of the version before.
    version(&site, "new", "3.0.0", "");
    let args = ["plugin", "deploy", "new", "--yes"];
    let told = site.hothouse(&args).await.exits(0).stdout;
    for part in [
        "2.0.0 -> 3.0.0",
        "slow-echo-agent.previous",
        "until they restart",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!(in_place(&previous), "2.0.0");
    assert_eq!(plugins(&site), [AGENT, "slow-echo-agent.previous"]);
}

#[tokio::test]
async fn the_first_version_needs_nothing_in_place() {
    let site = Site::on_sqlite();
    site.configure(&agent(AGENT, ""));
    fs::create_dir(site.folder().join("plugins")).expect("a folder");
    version(&site, "new", "1.0.0", "");
    let done = deploy(&site, &["--yes"]).await.exits(0).json();
    assert_eq!(done["replaced_version"], Value::Null);
    assert_eq!(done["previous"], Value::Null);
    assert_eq!(plugins(&site), [AGENT]);
}

#[tokio::test]
async fn a_version_that_asks_for_more_needs_a_flag_and_the_operators_word() {
    let site = Site::with_agent(AGENT);
    version(&site, "new", "2.0.0", "needs.env = ['LOG_LEVEL']");
    let target = site.folder().join("plugins").join(AGENT);
    let wide = ["--allow-wider-grants", "--yes"];
    // A flag is not the operator's word.
    let refused = deploy(&site, &wide).await.exits(1);
    assert!(refused.stderr.contains("env LOG_LEVEL"), "{refused:#?}");
    assert!(refused.stderr.contains("does not allow"), "{refused:#?}");

    let allow = format!("[plugins.{AGENT}.allow]\nenv = {{ LOG_LEVEL = 'info' }}\n");
    site.configure(&(agent(AGENT, "") + &allow));
    let refused = deploy(&site, &["--yes"]).await.exits(1);
    assert!(
        refused.stderr.contains("--allow-wider-grants"),
        "{refused:#?}"
    );
    assert!(refused.stderr.contains("env LOG_LEVEL"), "{refused:#?}");
    assert_eq!(in_place(&target), "1.2.3");

    let done = deploy(&site, &wide).await.exits(0).json();
    assert_eq!(done["wider"], json!(["env LOG_LEVEL"]), "{done:#}");
    assert_eq!(in_place(&target), "2.0.0");
    // The same grants again are no wider ones.
    version(&site, "new", "3.0.0", "needs.env = ['LOG_LEVEL']");
    deploy(&site, &["--yes"]).await.exits(0);
    assert_eq!(in_place(&target), "3.0.0");
}

#[tokio::test]
async fn what_a_host_would_refuse_is_not_deployed() {
    let site = Site::with_agent(AGENT);
    let target = site.folder().join("plugins").join(AGENT);
    let refused = async |part: &str| {
        let answer = deploy(&site, &["--yes"]).await.exits(1);
        assert!(answer.stderr.contains(part), "{part}: {answer:#?}");
        assert_eq!(in_place(&target), "1.2.3");
        assert_eq!(plugins(&site), [AGENT]);
    };
    version(&site, "new", "2.0.0", "");
    site.write(&format!("new/{AGENT}.wasm"), "no component");
    refused("not a WebAssembly component").await;
    site.write(&format!("new/{AGENT}.wasm"), read_guest("imports-backdoor"));
    refused("evil:backdoor/shell").await;
    site.write(&format!("new/{AGENT}.wasm"), read_guest("echo"));
    refused("world agent").await;
    let limits = format!("[plugins.{AGENT}.limits]\ncomponent_bytes = 1000\n");
    site.configure(&(agent(AGENT, "") + &limits));
    version(&site, "new", "2.0.0", "");
    refused("more than 1000 bytes").await;
    site.configure(&agent(AGENT, ""));
    // Whole, and of a world that its route has no events for.
    let handler = format!("name = \"{AGENT}\"\nversion = \"2.0.0\"\nworld = \"handler\"\n");
    site.write("new/plugin.toml", handler);
    site.write(&format!("new/{AGENT}.wasm"), read_guest("echo"));
    refused("whose world handler cannot take it").await;
}

#[tokio::test]
async fn a_directory_that_is_not_the_plugins_own_is_left_alone() {
    let site = Site::with_agent(AGENT);
    version(&site, "new", "2.0.0", "");
    let target = site.folder().join("plugins").join(AGENT);
    site.write(&format!("plugins/{AGENT}/src/lib.rs"), "fn main() {}");
    site.write(&format!("plugins/{AGENT}/Cargo.toml"), "[package]");
    let refused = deploy(&site, &["--yes"]).await.exits(1);
    assert!(refused.stderr.contains("Cargo.toml, src"), "{refused:#?}");
    assert!(target.join("src/lib.rs").is_file());

    fs::rename(&target, site.folder().join("elsewhere")).expect("rename");
    symlink(site.folder().join("elsewhere"), &target).expect("a link");
    let refused = deploy(&site, &["--yes"]).await.exits(1);
    assert!(refused.stderr.contains("symbolic link"), "{refused:#?}");

    // Nobody is there to answer, and nobody has this plugin.
    deploy(&site, &[]).await.exits(2);
    deploy(&site, &["--name", "absent", "--yes"]).await.exits(2);
}

#[tokio::test]
async fn a_deploy_that_is_killed_leaves_one_whole_version_and_the_next_one_goes_on() {
    let site = Site::with_agent(AGENT);
    let target = site.folder().join("plugins").join(AGENT);
    let staged = site.folder().join("plugins/.slow-echo-agent.deploying");
    let component = read_guest(AGENT);
    for round in 0..8 {
        version(&site, "new", &format!("2.0.{round}"), "");
        let mut deploy = site.start(&["plugin", "deploy", "new", "--yes"]);
        eventually("it writes or has ended", async || {
            (staged.exists() || !deploy.is_running()).then_some(())
        })
        .await;
        deploy.kill();
        let whole = in_place(&target);
        assert!(whole == "1.2.3" || whole.starts_with("2.0."), "{whole}");
        let bytes = fs::read(target.join(format!("{AGENT}.wasm"))).expect("a component");
        assert!(bytes == component, "half a component");
    }
    // What the kill of a slow machine leaves, for certain.
    fs::create_dir_all(&staged).expect("a directory");
    fs::write(staged.join("plugin.toml"), "name = ").expect("half a manifest");
    version(&site, "new", "3.0.0", "");
    deploy(&site, &["--yes"]).await.exits(0);
    assert_eq!(in_place(&target), "3.0.0");
    assert_eq!(plugins(&site), [AGENT, "slow-echo-agent.previous"]);
}

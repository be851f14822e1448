//! Signed plugins: what a host runs and refuses, and the verbs that make and check signatures.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use serde_json::{Value, json};

use crate::event::{id_of, started};
use crate::site::{AGENTS, Site, agent};

on_both_buses! {
    a_host_that_requires_signatures_runs_what_a_trusted_key_signed_and_refuses_the_rest
    what_was_changed_after_it_was_signed_is_refused_though_no_signature_is_required
}

const AGENT: &str = "slow-echo-agent";

/// Makes the keys NAME.key and NAME.pub.
async fn keygen(site: &Site, name: &str) -> Value {
    let args = ["plugin", "keygen", &format!("{name}.key"), "--json"];
    let made = site.hothouse(&args).await.exits(0).json();
    site.write(
        &format!("{name}.pub"),
        made["public_key"].as_str().expect("a key"),
    );
    made
}

async fn sign(site: &Site, plugin: &str, key: &str) {
    let directory = format!("plugins/{plugin}");
    let key = format!("{key}.key");
    let args = ["plugin", "sign", &directory, "--key", &key];
    site.hothouse(&args).await.exits(0);
}

fn configure(site: &Site, required: bool, plugins: &[&str]) {
    let routes: String = plugins.iter().map(|plugin| agent(plugin, "")).collect();
    site.configure(&format!(
        "[signatures]\nrequire_signature = {required}\n\
         trusted_keys = {{ release = \"release.pub\" }}\n{routes}"
    ));
}

/// The outcome of an event for a plugin.
async fn outcome(site: &Site, plugin: &str) -> crate::outcome::Outcome {
    let event = started(plugin, json!({ "seq": 1 }));
    site.publish(std::slice::from_ref(&event)).await;
    site.outcome_of(AGENTS, id_of(&event)).await
}

async fn a_host_that_requires_signatures_runs_what_a_trusted_key_signed_and_refuses_the_rest(
    site: Site,
) {
    keygen(&site, "release").await;
    keygen(&site, "stranger").await;
    for guest in [AGENT, "rejects-input", "gives-up"] {
        site.install(guest, "world = \"agent\"");
    }
    sign(&site, AGENT, "release").await;
    sign(&site, "rejects-input", "stranger").await;
    configure(&site, true, &[AGENT, "rejects-input", "gives-up"]);
    let _host = site.serve();

    let signed = outcome(&site, AGENT).await;
    assert_eq!(signed.kind(), "agent.execution.completed");
    for (plugin, why) in [
        ("rejects-input", "which is not trusted here"),
        ("gives-up", "it is not signed"),
    ] {
        let refused = outcome(&site, plugin).await;
        assert_eq!(refused.error_type(), "plugin_unavailable");
        let message = refused.data["error_message"].as_str().expect("a message");
        assert!(message.contains(why), "{message}");
    }
}

async fn what_was_changed_after_it_was_signed_is_refused_though_no_signature_is_required(
    site: Site,
) {
    keygen(&site, "release").await;
    for guest in [AGENT, "gives-up"] {
        site.install(guest, "world = \"agent\"");
        sign(&site, guest, "release").await;
    }
    // One asks for more than was signed; the other's component is another's.
    site.install(AGENT, "world = \"agent\"\nlimits.fuel = 99000000000");
    let other = crate::site::read_guest("panics");
    site.write("plugins/gives-up/gives-up.wasm", other);
    configure(&site, false, &[AGENT, "gives-up"]);
    let _host = site.serve();

    for (plugin, what) in [(AGENT, "manifest"), ("gives-up", "component")] {
        let refused = outcome(&site, plugin).await;
        assert_eq!(refused.error_type(), "plugin_unavailable");
        let message = refused.data["error_message"].as_str().expect("a message");
        let expected = format!("its {what} is not the one that was signed");
        assert!(message.contains(&expected), "{message}");
    }
}

#[tokio::test]
async fn a_new_key_is_its_owners_alone_and_replaces_none() {
    let site = Site::on_sqlite();
    let made = keygen(&site, "release").await;
    let path = site.folder().join("release.key");
    let mode = std::fs::metadata(&path)
        .expect("the key")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    let before = std::fs::read(&path).expect("the key");
    let again = site.hothouse(&["plugin", "keygen", "release.key"]).await;
    assert!(again.exits(2).stderr.contains("is there already"));
    assert_eq!(std::fs::read(&path).expect("the key"), before);

    // For people, standard output is the public key's file.
    let other = site
        .hothouse(&["plugin", "keygen", "other.key"])
        .await
        .exits(0);
    assert!(
        other.stdout.starts_with("-----BEGIN PUBLIC KEY-----\n"),
        "{other:#?}"
    );
    assert!(other.stderr.contains("other.key is key "), "{other:#?}");
    assert_eq!(made["key"].as_str().map(str::len), Some(32));
}

#[tokio::test]
async fn verify_and_inspect_say_who_signed_and_exit_with_1_where_a_host_would_refuse() {
    let site = Site::on_sqlite();
    let made = keygen(&site, "release").await;
    keygen(&site, "stranger").await;
    site.install(AGENT, "world = \"agent\"");
    let directory = format!("plugins/{AGENT}");
    let verify = ["plugin", "verify", &directory];
    let inspect = ["plugin", "inspect", &directory, "--json"];

    // Without a configuration nothing is trusted, and nothing is required.
    let none = site.hothouse(&verify).await.exits(1);
    assert!(none.stdout.contains("it is not signed"), "{none:#?}");
    let shown = site.hothouse(&inspect).await.exits(0).json();
    assert_eq!(shown["signed"]["status"], "unsigned");

    sign(&site, AGENT, "release").await;
    let unknown = site.hothouse(&verify).await.exits(1);
    assert!(unknown.stdout.contains("not trusted here"), "{unknown:#?}");
    let with_key = [&verify[..], &["--key", "release.pub", "--json"]].concat();
    let verified = site.hothouse(&with_key).await.exits(0).json();
    assert_eq!(verified["signed"]["signer"], "release.pub");
    let with_key = [&verify[..], &["--key", "stranger.pub"]].concat();
    site.hothouse(&with_key).await.exits(1);
    // A private key is no public one.
    let with_key = [&verify[..], &["--key", "release.key"]].concat();
    site.hothouse(&with_key).await.exits(2);

    configure(&site, true, &[AGENT]);
    let verified = site.hothouse(&verify).await.exits(0);
    assert!(
        verified.stdout.contains("is signed by release ("),
        "{verified:#?}"
    );
    let shown = site.hothouse(&inspect).await.exits(0).json();
    let by = json!({"status": "trusted", "signer": "release", "key": made["key"]});
    assert_eq!(shown["signed"], by);

    site.write(&format!("{directory}/plugin.sig"), "version = 1\n");
    let refused = site.hothouse(&inspect).await.exits(1);
    let why = "plugin.sig is no signature";
    assert!(refused.stderr.contains(why), "{refused:#?}");
}

#[tokio::test]
async fn sign_follows_no_link_that_the_author_left_and_reads_nothing_but_files() {
    let site = Site::on_sqlite();
    keygen(&site, "release").await;
    site.install(AGENT, "world = \"agent\"");
    let directory = site.folder().join("plugins").join(AGENT);
    site.write("mine", "precious");
    let mine = site.folder().join("mine");
    for name in ["plugin.sig.new", "plugin.sig"] {
        symlink(&mine, directory.join(name)).expect("a link");
    }
    sign(&site, AGENT, "release").await;
    assert_eq!(fs::read_to_string(&mine).expect("a file"), "precious");
    let signed = directory.join("plugin.sig");
    let found = fs::symlink_metadata(&signed).expect("a signature");
    assert!(found.is_file());
    assert!(!directory.join("plugin.sig.new").exists());

    for (name, part) in [
        (format!("{AGENT}.wasm"), "it is no file"),
        ("plugin.toml".to_owned(), "it is no file"),
    ] {
        fs::remove_file(directory.join(&name)).expect("remove");
        symlink("/dev/zero", directory.join(&name)).expect("a link");
        let path = format!("plugins/{AGENT}");
        for args in [
            ["plugin", "sign", &path, "--key", "release.key"],
            ["plugin", "verify", &path, "--key", "release.pub"],
        ] {
            let refused = site.hothouse(&args).await;
            assert!(refused.stderr.contains(part), "{name}: {refused:#?}");
        }
    }
}

#[tokio::test]
async fn a_configuration_that_is_there_and_cannot_be_read_is_not_taken_for_none() {
    let site = Site::on_sqlite();
    site.install(AGENT, "world = \"agent\"");
    let inspect = format!("plugins/{AGENT}");
    let args = ["plugin", "inspect", &inspect, "--config"];
    let absent = [&args[..], &["absent.toml"]].concat();
    site.hothouse(&absent).await.exits(0);
    let directory = [&args[..], &["plugins"]].concat();
    let refused = site.hothouse(&directory).await.exits(2);
    let why = "cannot read the configuration";
    assert!(refused.stderr.contains(why), "{refused:#?}");
}

#[tokio::test]
async fn deploy_puts_in_place_what_a_host_takes_with_its_signature() {
    let site = Site::on_sqlite();
    keygen(&site, "release").await;
    configure(&site, true, &[AGENT]);
    site.install(AGENT, "world = \"agent\"");
    let manifest = format!("name = \"{AGENT}\"\nversion = \"2.0.0\"\nworld = \"agent\"\n");
    site.write("plugins/new/plugin.toml", manifest);
    let component = crate::site::read_guest(AGENT);
    site.write(&format!("plugins/new/{AGENT}.wasm"), component);

    let deploy = ["plugin", "deploy", "plugins/new", "--yes"];
    let refused = site.hothouse(&deploy).await.exits(1);
    assert!(refused.stderr.contains("it is not signed"), "{refused:#?}");

    sign(&site, "new", "release").await;
    site.hothouse(&deploy).await.exits(0);
    let in_place = format!("plugins/{AGENT}");
    let verified = site
        .hothouse(&["plugin", "verify", &in_place])
        .await
        .exits(0);
    let expected = format!("{AGENT}@2.0.0 is signed by release (");
    assert!(verified.stdout.contains(&expected), "{verified:#?}");
}

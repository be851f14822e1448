//! `doctor` and `config validate`: what is wrong, all of it, before a host finds out.

use serde_json::{Value, json};

use crate::event::{lines, started};
use crate::process::run;
use crate::site::{Site, agent};

on_both_buses! {
    doctor_is_content_with_a_site_that_is_in_order
}

const AGENT: &str = "slow-echo-agent";

fn configured(site: &Site) {
    site.install(AGENT, "world = \"agent\"");
    site.configure(&agent(AGENT, ""));
}

async fn doctor_is_content_with_a_site_that_is_in_order(site: Site) {
    configured(&site);
    let answer = site.hothouse(&["doctor", "--json"]).await.exits(0).json();
    let checks = answer.as_array().expect("a list of checks");
    for what in ["configuration", "bus", "sandbox", "plugin"] {
        assert!(
            checks.iter().any(|check| check["what"] == what),
            "{what}: {answer:#}"
        );
    }
    assert!(
        checks.iter().all(|check| check["finding"] != "fail"),
        "{answer:#}"
    );
    // A Redis with the settings of a cache is worth a word.
    let advised = checks.iter().any(|check| {
        let message = check["message"].as_str().unwrap_or_default();
        check["finding"] == "advice" && message.contains("appendonly")
    });
    assert_eq!(advised, site.redis.is_some(), "{answer:#}");
}

#[tokio::test]
async fn without_its_bus_doctor_exits_with_1_and_what_needs_it_with_3() {
    let mut site = Site::on_redis();
    configured(&site);
    site.redis.as_mut().expect("a Redis").kill();
    let answer = site.hothouse(&["doctor", "--json"]).await.exits(1).json();
    let checks = answer.as_array().expect("a list of checks");
    let failed: Vec<&Value> = checks
        .iter()
        .filter(|check| check["finding"] == "fail")
        .collect();
    assert_eq!(failed.len(), 1, "{answer:#}");
    assert_eq!(failed[0]["what"], "bus");

    let status = site.hothouse(&["status"]).await.exits(3);
    assert!(status.stderr.contains(&site.url), "{status:#?}");
    run(
        site.folder(),
        &["publish", "-"],
        &lines(&[started(AGENT, json!({ "seq": 1 }))]),
    )
    .await
    .exits(3);
}

#[tokio::test]
async fn doctor_names_what_must_be_mended() {
    let site = Site::on_sqlite();
    site.configure(&agent("absent", ""));
    let answer = site.hothouse(&["doctor"]).await.exits(1);
    assert!(answer.stdout.contains("absent/plugin.toml"), "{answer:#?}");
    site.write("hothouse.toml", "colour = \"green\"");
    let answer = site.hothouse(&["doctor"]).await.exits(1);
    assert!(answer.stdout.contains("colour"), "{answer:#?}");
}

#[tokio::test]
async fn config_validate_reports_every_mistake_at_once() {
    let site = Site::on_sqlite();
    site.configure(
        "colour = \"green\"\n[host]\nslots = \"many\"\n\
         [[routes]]\ntype = \"no.such\"\nplugin = \"p\"\n",
    );
    let answer = site.hothouse(&["config", "validate"]).await.exits(2);
    for part in ["3 mistakes", "colour", "host.slots", "routes[1].type"] {
        assert!(answer.stdout.contains(part), "{part}: {answer:#?}");
    }
    let answer = site
        .hothouse(&["config", "validate", "--json"])
        .await
        .exits(2)
        .json();
    assert_eq!(answer["valid"], false);
    assert_eq!(
        answer["problems"].as_array().map(Vec::len),
        Some(3),
        "{answer:#}"
    );

    // A host with the same file does not start, and says the same.
    let serve = site.hothouse(&["serve"]).await.exits(2);
    assert!(serve.stderr.contains("3 mistakes"), "{serve:#?}");
}

#[tokio::test]
async fn config_validate_loads_the_plugins() {
    let site = Site::on_sqlite();
    configured(&site);
    site.hothouse(&["config", "validate"]).await.exits(0);
    site.install_bytes(AGENT, "world = \"agent\"", "no component");
    let answer = site.hothouse(&["config", "validate"]).await.exits(2);
    assert!(
        answer.stdout.contains("plugins.slow-echo-agent"),
        "{answer:#?}"
    );
}

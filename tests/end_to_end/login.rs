//! `rediss://` with a login and a certificate authority of one's own.

use serde_json::json;

use crate::event::{id_of, started};
use crate::harness::{Certificates, TlsServer};
use crate::site::{AGENTS, Site, agent};

const AGENT: &str = "slow-echo-agent";

fn login() -> String {
    format!("{}:{}", TlsServer::USER, TlsServer::ENCODED)
}

fn configure(site: &Site, url: &str) {
    site.install(AGENT, "world = \"agent\"");
    site.write(
        "hothouse.toml",
        format!("bus = \"{url}\"\n{}", agent(AGENT, "")),
    );
}

#[tokio::test]
async fn a_host_serves_over_tls_with_a_login_and_a_ca_beside_its_configuration() {
    let tls = TlsServer::start();
    let site = Site::at(tls.url());
    let ca = std::fs::read(tls.certificates.ca()).expect("the authority");
    site.write("ca.pem", ca);
    configure(&site, &tls.url_with(&login(), "?ca=ca.pem"));
    let host = site.serve();
    let event = started(AGENT, json!({ "seq": 1 }));
    site.publish(std::slice::from_ref(&event)).await;
    site.outcome_of(AGENTS, id_of(&event)).await;
    site.hothouse(&["status"]).await.exits(0);
    site.hothouse(&["doctor"]).await.exits(0);
    let log = host.log();
    assert!(log.contains("rediss://…@127.0.0.1"), "{log}");
    for secret in [TlsServer::PASSWORD, TlsServer::ENCODED] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_login_or_a_certificate_ends_a_host_with_3_and_says_what_to_do() {
    let tls = TlsServer::start();
    let site = Site::at(tls.url());
    let (ca, other) = (tls.certificates.ca(), Certificates::new());
    let ca = format!("?ca={}", ca.display());
    let cases = [
        (tls.url_with("hothouse:wrong", &ca), "user name or password"),
        (tls.url_with(&login(), ""), "TLS with the server fails"),
        (
            tls.url_with(&login(), &format!("?ca={}", other.ca().display())),
            "TLS with the server fails",
        ),
        (
            tls.url_with(&login(), "?ca=nowhere.pem"),
            "nowhere.pem cannot be read",
        ),
    ];
    for (url, says) in cases {
        configure(&site, &url);
        for verb in ["serve", "status"] {
            let answer = site.hothouse(&[verb]).await.exits(3);
            assert!(answer.stderr.contains(says), "{url}: {answer:#?}");
            assert!(!answer.stderr.contains("wrong"), "{answer:#?}");
        }
        let answer = site.hothouse(&["doctor", "--json"]).await.exits(1).json();
        let checks = answer.as_array().expect("checks");
        let of_bus: Vec<_> = checks.iter().filter(|c| c["what"] == "bus").collect();
        assert_eq!(of_bus.len(), 1, "{answer:#}");
        assert_eq!(of_bus[0]["finding"], "fail", "{answer:#}");
        let message = of_bus[0]["message"].as_str().expect("a message");
        assert!(message.contains(says), "{url}: {answer:#}");
    }
}

#[tokio::test]
async fn a_bus_url_that_cannot_be_is_a_mistake_of_the_configuration_and_is_not_shown() {
    let site = Site::on_sqlite();
    for (url, says) in [
        ("rediss://u:secret@db/#insecure", "always verified"),
        ("redis://u:sec/ret@db", "%2F"),
        ("redis://secret@db", "needs a password"),
        ("redis+cluster://a:1/2", "only the database 0"),
    ] {
        configure(&site, url);
        let answer = site.hothouse(&["config", "validate"]).await.exits(2);
        assert!(answer.stdout.contains(says), "{url}: {answer:#?}");
        assert!(!answer.stdout.contains("sec"), "{url}: {answer:#?}");
        let answer = site.hothouse(&["status", "--bus", url]).await.exits(2);
        assert!(answer.stderr.contains(says), "{url}: {answer:#?}");
    }
}

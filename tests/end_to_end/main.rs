//! The real binary against a real bus, as an operator and a producer meet it: each case on a
//! redis-server of its own and on a SQLite file of its own.

#[path = "../harness/mod.rs"]
mod harness;

/// Makes each case a test on each bus, so that none can be left out.
macro_rules! on_both_buses {
    ($($case:ident)*) => {
        mod on_redis {
            $(#[tokio::test]
            async fn $case() {
                super::$case(crate::site::Site::on_redis()).await;
            })*
        }
        mod on_sqlite {
            $(#[tokio::test]
            async fn $case() {
                super::$case(crate::site::Site::on_sqlite()).await;
            })*
        }
    };
}

/// As `on_both_buses`, and on a Redis Cluster.
macro_rules! on_every_bus {
    ($($case:ident)*) => {
        on_both_buses! { $($case)* }

        mod on_cluster {
            $(#[tokio::test]
            async fn $case() {
                super::$case(crate::site::Site::on_cluster()).await;
            })*
        }
    };
}

mod event;
mod outcome;
mod site;

use harness::process;

mod artifact_cache;
mod bad_entries;
mod bad_plugins;
mod checks;
mod cluster;
mod compile_limits;
mod contract;
mod crash;
mod dead_letters;
mod deploy;
mod discoveries;
mod dry_runs;
mod fair;
mod grants;
mod handlers;
mod lanes;
mod login;
mod no_route;
mod order;
mod outage;
mod outgoing;
mod quiet;
mod refusal;
mod replays;
mod retries;
mod run_and_inspect;
mod shared_routes;
mod shipped;
mod shutdown;
mod signatures;
mod trim;
mod verbs;

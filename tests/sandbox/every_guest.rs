//! The tests that are rows of the table, and that there is a row for every guest.

use guests::Guest;
use hothouse::failure::{ErrorType, MAX_MESSAGE};
use hothouse::sandbox::{LimitsPatch, World};
use serde_json::json;

use super::guest::{Setup, given, limited};
use super::hostile::attack;
use super::table::{attempt, guest_table, memory, timeout_ms, usual};
use super::{fairness, files, hostile, instruments, isolation, limits, loading, network, simple};

macro_rules! tests {
    ($( $guest:ident {
        $( $test:ident: $world:ident($setup:expr) => $error:ident, $part:literal; )*
        $( [$module:ident::$other:ident]; )*
    } )*) => {
        $($(
            #[tokio::test]
            async fn $test() {
                let (failure, _) = attack(Guest::$guest, World::$world, $setup).await;
                assert_eq!(failure.error_type, ErrorType::$error, "{failure}");
                assert!(failure.message.contains($part), "{failure}");
                assert!(failure.message.len() <= MAX_MESSAGE);
                assert!(!failure.message.contains(char::is_control), "{failure:?}");
            }
        )*)*

        /// How many tests a guest has; each is there, or this does not compile.
        const fn tests_of(guest: Guest) -> usize {
            match guest {
                $( Guest::$guest => {
                    let tests: &[fn()] = &[$( $test, )* $( $module::$other, )*];
                    tests.len()
                } )*
            }
        }
    };
}

guest_table!(tests);

const _: () = {
    let mut index = 0;
    while index < Guest::ALL.len() {
        assert!(tests_of(Guest::ALL[index]) > 0, "a guest has no test");
        index += 1;
    }
};

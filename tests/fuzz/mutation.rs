//! Changes of a seed, as a fuzzer makes them.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// One change. Places are chosen in whatever the changes before it have left.
#[derive(Debug, Clone)]
pub(crate) enum Mutation {
    Flip(Index, u8),
    Truncate(Index),
    Insert(Index, Vec<u8>),
    /// Puts a part of another seed in place of the rest.
    Splice(Index, Index, Index),
    /// Says a part again, right behind itself.
    Repeat(Index, Index),
}

pub(crate) fn any_mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let at = || any::<Index>();
    let mutation = prop_oneof![
        4 => (at(), 1..=u8::MAX).prop_map(|(at, bits)| Mutation::Flip(at, bits)),
        1 => at().prop_map(Mutation::Truncate),
        2 => (at(), vec(any::<u8>(), 1..16)).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        2 => (at(), at(), at()).prop_map(|(at, seed, from)| Mutation::Splice(at, seed, from)),
        1 => (at(), at()).prop_map(|(from, to)| Mutation::Repeat(from, to)),
    ];
    vec(mutation, 1..6)
}

/// A seed with the changes done, in their order.
pub(crate) fn mutated(seeds: &[Vec<u8>], seed: Index, mutations: &[Mutation]) -> Vec<u8> {
    let mut bytes = seed.get(seeds).clone();
    for mutation in mutations {
        let place = |at: &Index, bytes: &Vec<u8>| at.index(bytes.len() + 1);
        match mutation {
            Mutation::Flip(at, bits) => {
                let at = place(at, &bytes);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= bits;
                }
            }
            Mutation::Truncate(at) => bytes.truncate(place(at, &bytes)),
            Mutation::Insert(at, more) => {
                let at = place(at, &bytes);
                bytes.splice(at..at, more.iter().copied());
            }
            Mutation::Splice(at, seed, from) => {
                bytes.truncate(place(at, &bytes));
                let other = seed.get(seeds);
                bytes.extend(&other[place(from, other)..]);
            }
            Mutation::Repeat(from, to) => {
                let (a, b) = (place(from, &bytes), place(to, &bytes));
                bytes.extend_from_within(a.min(b)..a.max(b));
            }
        }
    }
    bytes
}

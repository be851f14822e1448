//! The routes that the hosts of a group have in common, as the books hold them: a line each.

use std::collections::BTreeSet;

use super::{BusError, Subscription};

/// What of two texts of routes is only in one of them; none where they are the same.
pub(super) fn difference(ours: &str, theirs: &str) -> Option<String> {
    if ours == theirs {
        return None;
    }
    let (ours, theirs): (BTreeSet<&str>, BTreeSet<&str>) =
        (ours.lines().collect(), theirs.lines().collect());
    let only = |whose: &str, lines: Vec<&str>| match lines.as_slice() {
        [] => None,
        lines => Some(format!("only {whose}: {}", lines.join(" "))),
    };
    let parts = [
        only("theirs", theirs.difference(&ours).copied().collect()),
        only("ours", ours.difference(&theirs).copied().collect()),
    ];
    Some(parts.into_iter().flatten().collect::<Vec<_>>().join("; "))
}

/// What a newcomer is told whose routes are not those of the hosts that run.
pub(super) fn refusal(subscription: &Subscription, theirs: &str) -> BusError {
    BusError::RoutesDiffer {
        stream: subscription.stream.to_owned(),
        group: subscription.group.clone(),
        difference: difference(&subscription.routes, theirs).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_names_what_only_one_side_has() {
        assert_eq!(difference("a\nb", "a\nb"), None);
        let found = difference("a\nb", "a\nc").expect("a difference");
        assert_eq!(found, "only theirs: c; only ours: b");
        let found = difference("a\nb", "a").expect("a difference");
        assert_eq!(found, "only ours: b");
    }
}

//! What manifests ask for, what operators allow, and the difference. Pure: nothing is read here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize, Serializer};

use super::names::{MountPoint, VariableName};
use crate::sandbox::{Access, Origin, Secret};

/// One thing that a plugin may have beside its event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grant {
    /// The repository that its event names.
    Repository(Access),
    /// A directory of the operator's choice.
    Directory(MountPoint, Access),
    /// An environment variable.
    Env(VariableName),
    /// An environment variable whose value is shown nowhere.
    Secret(VariableName),
    /// HTTP to one origin.
    OutboundHost(Origin),
}

impl Grant {
    /// Whether who has this has `other` as well: to write is to read too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Repository(has), Self::Repository(wanted)) => has >= wanted,
            (Self::Directory(here, has), Self::Directory(there, wanted)) => {
                here == there && has >= wanted
            }
            (
                Self::Repository(_)
                | Self::Directory(..)
                | Self::Env(_)
                | Self::Secret(_)
                | Self::OutboundHost(_),
                _,
            ) => self == other,
        }
    }

    /// What an operator adds to `[plugins.NAME.allow]` to allow it.
    #[must_use]
    pub fn to_allow(&self) -> String {
        match self {
            Self::Repository(access) => format!("repository = \"{access}\""),
            Self::Directory(at, access) => {
                format!("directories.\"{at}\" = {{ path = \"...\", access = \"{access}\" }}")
            }
            Self::Env(name) => format!("env.{name} = \"...\""),
            Self::Secret(name) => format!("secrets.{name} = {{ env = \"{name}\" }}"),
            Self::OutboundHost(origin) => {
                format!("\"{origin}\" in the list allowed_outbound_hosts")
            }
        }
    }
}

impl Grant {
    /// What it is of, whatever may be done with it.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            Self::Repository(_) => "repository".to_owned(),
            Self::Directory(at, _) => format!("directory {at}"),
            Self::Env(name) => format!("env {name}"),
            Self::Secret(name) => format!("secret {name}"),
            Self::OutboundHost(origin) => format!("outbound host {origin}"),
        }
    }

    /// What may be done with it, where there is a choice.
    #[must_use]
    pub fn access(&self) -> Option<Access> {
        match self {
            Self::Repository(access) | Self::Directory(_, access) => Some(*access),
            Self::Env(_) | Self::Secret(_) | Self::OutboundHost(_) => None,
        }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.subject())?;
        match self.access() {
            Some(access) => write!(f, " ({access})"),
            None => Ok(()),
        }
    }
}

impl Serialize for Grant {
    /// As it is shown.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a manifest asks for. What is asked is either allowed, and then granted as asked, or the
/// plugin is refused: what a plugin has is always exactly this.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs(pub BTreeSet<Grant>);

impl Needs {
    /// What it may do with its event's repository, where it asks for it.
    #[must_use]
    pub fn repository(&self) -> Option<Access> {
        self.0.iter().find_map(|grant| match grant {
            Grant::Repository(access) => Some(*access),
            Grant::Directory(..) | Grant::Env(_) | Grant::Secret(_) | Grant::OutboundHost(_) => {
                None
            }
        })
    }

    /// What is asked for and not allowed.
    #[must_use]
    pub fn missing(&self, allowed: &Allowed) -> Vec<Grant> {
        not_covered(&self.0, &allowed.grants())
    }

    /// What is allowed and not asked for. It is not granted.
    #[must_use]
    pub fn unused(&self, allowed: &Allowed) -> Vec<Grant> {
        not_covered(&allowed.grants(), &self.0)
    }

    /// What these ask for beyond those of an earlier version.
    #[must_use]
    pub fn widens(&self, earlier: &Self) -> Vec<Grant> {
        not_covered(&self.0, &earlier.0)
    }
}

fn not_covered(wanted: &BTreeSet<Grant>, by: &BTreeSet<Grant>) -> Vec<Grant> {
    let covered = |grant: &&Grant| by.iter().any(|has| has.covers(grant));
    wanted
        .iter()
        .filter(|grant| !covered(grant))
        .cloned()
        .collect()
}

/// What an operator allows a plugin, and where it comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed {
    /// What it may do with its event's repository.
    pub repository: Option<Access>,
    /// Directories by where the guest finds them.
    pub directories: BTreeMap<MountPoint, Directory>,
    /// Environment variables.
    pub env: BTreeMap<VariableName, Variable>,
    /// Secrets.
    pub secrets: BTreeMap<VariableName, SecretSource>,
    /// Origins that requests may go to.
    pub allowed_outbound_hosts: BTreeSet<Origin>,
    /// Private networks that outgoing requests may reach.
    pub allowed_private_networks: Vec<IpNet>,
}

/// A directory of the host.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Directory {
    /// Where it is.
    pub path: PathBuf,
    /// What a guest may do with it.
    pub access: Access,
}

/// Where the value of an environment variable is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variable {
    /// The configuration.
    Value(String),
    /// The command line, where it is not known yet whether it is a secret.
    Given(Secret),
    /// The host's own variable of this name.
    OfTheHost,
}

/// Where a secret is from. It is read when the plugin is loaded.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretSource {
    /// A variable of the host's environment.
    Env(VariableName),
    /// A file. One newline at its end does not count.
    File(PathBuf),
    /// The command line.
    #[serde(skip)]
    Given(Secret),
}

impl Allowed {
    /// Everything that it covers.
    #[must_use]
    pub fn grants(&self) -> BTreeSet<Grant> {
        let directories = self.directories.iter();
        let mut grants: BTreeSet<Grant> = directories
            .map(|(at, directory)| Grant::Directory(at.clone(), directory.access))
            .collect();
        grants.extend(self.repository.map(Grant::Repository));
        grants.extend(self.env.keys().cloned().map(Grant::Env));
        grants.extend(self.secrets.keys().cloned().map(Grant::Secret));
        let origins = self.allowed_outbound_hosts.iter().cloned();
        grants.extend(origins.map(Grant::OutboundHost));
        grants
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn access() -> impl Strategy<Value = Access> {
        prop_oneof![Just(Access::Read), Just(Access::Write)]
    }

    fn point() -> impl Strategy<Value = MountPoint> {
        prop_oneof![Just("/cache"), Just("/data"), Just("/data2")]
            .prop_map(|at| at.to_owned().try_into().expect("a mount point"))
    }

    fn name() -> impl Strategy<Value = VariableName> {
        prop_oneof![Just("A"), Just("B")]
            .prop_map(|name| name.to_owned().try_into().expect("a name"))
    }

    fn origin() -> impl Strategy<Value = Origin> {
        prop_oneof![Just("https://a.example:443"), Just("http://a.example:80")]
            .prop_map(|text| text.parse().expect("an origin"))
    }

    fn needs() -> impl Strategy<Value = Needs> {
        let grant = prop_oneof![
            access().prop_map(Grant::Repository),
            (point(), access()).prop_map(|(at, access)| Grant::Directory(at, access)),
            name().prop_map(Grant::Env),
            name().prop_map(Grant::Secret),
            origin().prop_map(Grant::OutboundHost),
        ];
        proptest::collection::btree_set(grant, 0..8).prop_map(Needs)
    }

    fn allowed() -> impl Strategy<Value = Allowed> {
        use proptest::collection::{btree_map, btree_set};
        let directory = access().prop_map(|access| Directory {
            path: "/srv".into(),
            access,
        });
        (
            proptest::option::of(access()),
            btree_map(point(), directory, 0..3),
            btree_map(name(), Just(Variable::OfTheHost), 0..3),
            btree_map(name(), Just(SecretSource::File("/s".into())), 0..3),
            btree_set(origin(), 0..3),
        )
            .prop_map(|(repository, directories, env, secrets, origins)| Allowed {
                repository,
                directories,
                env,
                secrets,
                allowed_outbound_hosts: origins,
                allowed_private_networks: Vec::new(),
            })
    }

    proptest! {
        #[test]
        fn what_is_not_missing_is_allowed_each_by_a_grant_of_its_kind(
            needs in needs(), allowed in allowed()
        ) {
            let missing = needs.missing(&allowed);
            for grant in &needs.0 {
                let is_allowed = match grant {
                    Grant::Repository(access) => allowed.repository >= Some(*access),
                    Grant::Directory(at, access) => allowed
                        .directories
                        .get(at)
                        .is_some_and(|directory| directory.access >= *access),
                    Grant::Env(name) => allowed.env.contains_key(name),
                    Grant::Secret(name) => allowed.secrets.contains_key(name),
                    Grant::OutboundHost(origin) => allowed.allowed_outbound_hosts.contains(origin),
                };
                prop_assert_eq!(is_allowed, !missing.contains(grant), "{}", grant);
            }
            prop_assert!(missing.iter().all(|grant| needs.0.contains(grant)));
        }

        #[test]
        fn what_is_unused_is_allowed_and_nothing_that_is_asked_for_covers_it(
            needs in needs(), allowed in allowed()
        ) {
            let unused = needs.unused(&allowed);
            for grant in allowed.grants() {
                let asked = needs.0.iter().any(|need| need.covers(&grant));
                prop_assert_eq!(unused.contains(&grant), !asked, "{}", grant);
            }
        }

        #[test]
        fn a_version_widens_nothing_where_all_that_it_asks_was_had_before(
            earlier in needs(), later in needs()
        ) {
            prop_assert!(earlier.widens(&earlier).is_empty());
            let both = Needs(earlier.0.union(&later.0).cloned().collect());
            prop_assert!(earlier.widens(&both).is_empty());
            // What does not widen needs nothing that the earlier one was not allowed.
            let wider = later.widens(&earlier);
            for grant in later.0.iter().filter(|grant| !wider.contains(grant)) {
                prop_assert!(earlier.0.iter().any(|had| had.covers(grant)));
            }
            for grant in &wider {
                prop_assert!(!earlier.0.contains(grant));
            }
        }
    }

    #[test]
    fn to_write_covers_to_read_and_not_the_other_way() {
        let grant = |access| Grant::Repository(access);
        assert!(grant(Access::Write).covers(&grant(Access::Read)));
        assert!(!grant(Access::Read).covers(&grant(Access::Write)));
    }
}

//! What guests do with files: mounts end where they end, and read-only is read-only.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use guests::Guest;
use hothouse::event::EventType;
use hothouse::failure::ErrorType;
use hothouse::sandbox::{
    Access, Cache, Compilation, Compiler, Grants, Instruments, LimitsPatch, Mount, Sandbox, Secret,
    World,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::guest::{REPOSITORY, Setup, good_call};
use super::hostile::{attack, good_guest};
use super::simple::output;
use super::{call, load, run};

/// A directory that is mounted, and beside it one that is not.
struct Disk(TempDir);

impl Disk {
    fn new() -> Self {
        let disk = Self(TempDir::new().expect("directory"));
        fs::create_dir_all(disk.inside().join("folder")).expect("directory");
        fs::create_dir(disk.outside()).expect("directory");
        fs::write(disk.inside().join("README.md"), "hello").expect("file");
        fs::write(disk.outside().join("secret"), "nobody's business").expect("file");
        disk
    }

    fn inside(&self) -> std::path::PathBuf {
        self.0.path().join("inside")
    }

    fn outside(&self) -> std::path::PathBuf {
        self.0.path().join("outside")
    }

    fn mounted(&self, access: Access) -> Grants {
        Grants {
            mounts: vec![Mount {
                at: "/data".to_owned(),
                directory: self.inside(),
                access,
            }],
            ..Grants::default()
        }
    }

    /// Fails where anything beside the mounted directory is not as it was.
    fn is_untouched_outside(&self) {
        assert_eq!(names(self.0.path()), ["inside", "outside"]);
        assert_eq!(names(&self.outside()), ["secret"]);
        let secret = fs::read_to_string(self.outside().join("secret")).expect("secret");
        assert_eq!(secret, "nobody's business");
    }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("directory");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("entry").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// What of `steps` was not refused.
async fn worked(disk: &Disk, access: Access, steps: Value) -> Vec<String> {
    let setup = Setup {
        input_data: steps,
        grants: disk.mounted(access),
        ..Setup::default()
    };
    let run = run(Guest::EscapesMounts, World::Agent, setup).await;
    let worked = output(&run)["worked"].take();
    serde_json::from_value(worked).expect("a list")
}

#[tokio::test]
pub(super) async fn nothing_outside_of_a_mount_is_reached() {
    let disk = Disk::new();
    let secret = disk.outside().join("secret");
    let links = [
        (secret.as_path(), "absolute"),
        (Path::new("../outside/secret"), "relative"),
        (Path::new("../outside"), "beside"),
        (Path::new("relative"), "chain"),
        (Path::new("loop"), "loop"),
        (Path::new("/proc/self/environ"), "environ"),
        (Path::new("/"), "root"),
        (Path::new("README.md"), "good"),
    ];
    for (target, at) in links {
        symlink(target, disk.inside().join(at)).expect("link");
    }
    let outside = [
        secret.display().to_string(),
        format!("/data/root{}", secret.display()),
        "/etc/passwd".to_owned(),
        "/proc/self/environ".to_owned(),
        "/data/../outside/secret".to_owned(),
        "/data/folder/../../outside/secret".to_owned(),
        "/data//..//outside//secret".to_owned(),
        "../outside/secret".to_owned(),
        "/data/absolute".to_owned(),
        "/data/relative".to_owned(),
        "/data/chain".to_owned(),
        "/data/loop".to_owned(),
        "/data/environ".to_owned(),
        "/data/beside/secret".to_owned(),
        "/data/folder/../beside/secret".to_owned(),
        "/data/root/etc/passwd".to_owned(),
    ];
    let directories = [
        "/",
        "/data/..",
        "/data/beside",
        "/data/root",
        "/data/folder/../..",
    ];
    let good = ["/data/README.md", "/data/good", "/data/folder/../README.md"];
    let read: Vec<&str> = outside.iter().map(String::as_str).chain(good).collect();
    let write: Vec<&str> = outside.iter().map(String::as_str).collect();
    let steps = json!({
        "hard_link": [["/data/relative", "/data/taken"], ["/data/beside/secret", "/data/taken"],
                      ["/data/README.md", "/data/beside/left"]],
        "rename": [["/data/beside/secret", "/data/taken"], ["/data/folder", "/data/beside/left"]],
        "read": read,
        "write": write,
        "list": directories,
    });
    // Where it may write, a link may get a second name: that leads out no more than the first.
    let got = worked(&disk, Access::Write, steps).await;
    let mut expected: Vec<String> = good.iter().map(|path| format!("read {path}")).collect();
    expected.insert(0, "hard_link /data/relative".to_owned());
    assert_eq!(got, expected);
    disk.is_untouched_outside();
}

#[tokio::test]
pub(super) async fn a_link_that_a_guest_makes_leads_nowhere() {
    let disk = Disk::new();
    let secret = disk.outside().join("secret").display().to_string();
    let steps = json!({
        "link": [["../outside/secret", "/data/relative"], ["../outside", "/data/beside"],
                 [secret, "/data/absolute"], ["README.md", "/data/good"]],
        "rename": [["/data/relative", "/data/folder/deeper"]],
        "read": ["/data/relative", "/data/folder/deeper", "/data/beside/secret",
                 "/data/absolute", "/data/good"],
        "write": ["/data/folder/deeper", "/data/beside/new", "/data/absolute"],
        "list": ["/data/beside"],
    });
    let got = worked(&disk, Access::Write, steps).await;
    // A link to an absolute path is refused as such, so what is written there is a new file; the
    // others are made and lead nowhere.
    let expected = [
        "link /data/relative",
        "link /data/beside",
        "link /data/good",
        "rename /data/relative",
        "read /data/good",
        "write /data/absolute",
    ];
    assert_eq!(got, expected);
    disk.is_untouched_outside();
}

#[tokio::test]
pub(super) async fn a_mount_for_reading_is_not_written_to() {
    let disk = Disk::new();
    let steps = json!({
        "link": [["README.md", "/data/link"]],
        "hard_link": [["/data/README.md", "/data/link"]],
        "rename": [["/data/README.md", "/data/gone"]],
        "read": ["/data/README.md"],
        "write": ["/data/README.md", "/data/new", "/data/folder/new"],
        "list": ["/data"],
    });
    let refused = worked(&disk, Access::Read, steps.clone()).await;
    assert_eq!(refused, ["read /data/README.md", "list /data"]);
    assert_eq!(names(&disk.inside()), ["README.md", "folder"]);
    let readme = fs::read_to_string(disk.inside().join("README.md")).expect("file");
    assert_eq!(readme, "hello");

    // The same steps are no nonsense: where it may write, they work.
    let worked = worked(&disk, Access::Write, steps).await;
    assert!(worked.contains(&"write /data/new".to_owned()), "{worked:?}");
    assert!(
        worked.contains(&"rename /data/README.md".to_owned()),
        "{worked:?}"
    );
}

#[tokio::test]
pub(super) async fn a_repository_can_be_read_and_nothing_else_and_not_written() {
    let repository = TempDir::new().expect("directory");
    fs::write(repository.path().join("README.md"), "hello").expect("file");
    let setup = Setup {
        grants: Grants::repository(repository.path()),
        ..Setup::default()
    };
    let run = run(Guest::WritesToRepository, World::Analyzer, setup).await;
    run.result.expect("every attempt was refused");
    assert_eq!(names(repository.path()), ["README.md"]);
}

#[tokio::test]
pub(super) async fn what_a_guest_wrote_before_it_died_stays_and_the_next_run_is_as_usual() {
    let disk = Disk::new();
    let setup = Setup {
        grants: disk.mounted(Access::Write),
        ..Setup::default()
    };
    let (failure, _) = attack(Guest::DiesWhileWriting, World::Agent, setup).await;
    assert_eq!(failure.error_type, ErrorType::Trap);
    let half = fs::read_to_string(disk.inside().join("half")).expect("the half file");
    assert_eq!(half, "half a file, and then");

    let next = Setup {
        grants: disk.mounted(Access::Write),
        ..good_call(1)
    };
    let run = call(good_guest(), World::Agent, next).await;
    assert_eq!(output(&run), json!({"seq": 1}));
}

#[tokio::test]
pub(super) async fn what_is_granted_to_write_is_written_and_variables_are_those_that_are_granted() {
    let folder = tempfile::tempdir().expect("directory");
    let directory = folder.path().canonicalize().expect("its path");
    let grants = Grants {
        mounts: vec![Mount {
            at: "/cache".to_owned(),
            directory: directory.clone(),
            access: Access::Write,
        }],
        environment: vec![("TOKEN".to_owned(), Secret::new("abc".to_owned()))],
        ..Grants::default()
    };
    let setup = Setup {
        input_data: json!({"show": ["TOKEN", "PATH"], "append": ["/cache/new", "hello"],
                           "read": "/cache/new"}),
        grants,
        ..Setup::default()
    };
    let run = run(Guest::UsesGrants, World::Agent, setup).await;
    let told = output(&run);
    assert_eq!(told["shown"], json!({"TOKEN": "abc", "PATH": null}));
    assert_eq!(told["lengths"], json!({"TOKEN": 3}));
    assert_eq!(told["read"], "hello");
    assert!(directory.join("new").is_file());
}

#[tokio::test]
pub(super) async fn a_mount_whose_path_has_a_link_in_it_is_not_mounted() {
    let folder = tempfile::tempdir().expect("directory");
    let directory = folder.path().canonicalize().expect("its path");
    std::fs::create_dir(directory.join("real")).expect("directory");
    std::os::unix::fs::symlink("real", directory.join("link")).expect("link");
    let setup = |name: &str| Setup {
        grants: Grants::repository(&directory.join(name)),
        emits: &[EventType::RepoSyncCompleted],
        input_data: json!({"repository_id": REPOSITORY}),
        ..Setup::default()
    };
    let component = load(Guest::ListsRepository, World::Handler);
    let real = call(&component, World::Handler, setup("real")).await;
    real.result.expect("a mount");
    let link = call(&component, World::Handler, setup("link")).await;
    let failure = link.result.expect_err("a link");
    assert_eq!(failure.error_type, ErrorType::HostError);
    assert!(failure.message.contains("cannot mount"), "{failure}");
}

#[tokio::test]
async fn a_listing_counts_as_bytes_that_are_passed() {
    let disk = Disk::new();
    for number in 0..2_000 {
        fs::write(disk.inside().join(number.to_string()), "").expect("file");
    }
    let listing = |host_call_bytes| Setup {
        input_data: json!({ "list": ["/data"] }),
        grants: disk.mounted(Access::Read),
        limits: LimitsPatch {
            host_call_bytes: Some(host_call_bytes),
            ..LimitsPatch::default()
        },
        ..Setup::default()
    };
    run(Guest::EscapesMounts, World::Agent, listing(1 << 20))
        .await
        .result
        .expect("it may list so much");
    let refused = run(Guest::EscapesMounts, World::Agent, listing(64 << 10)).await;
    let failure = refused.result.expect_err("it may not");
    assert_eq!(failure.error_type, ErrorType::OutputLimit, "{failure}");
    assert!(failure.message.contains("`host_call_bytes`"), "{failure}");
}

#[tokio::test]
async fn the_cache_is_out_of_reach_whatever_is_granted() {
    let disk = Disk::new();
    for cached in [
        disk.inside().join("folder/cache"),
        disk.0.path().join("cache"),
    ] {
        let cache = Cache::open(&cached).expect("a cache");
        let compilation = Compilation::new(Compiler::InProcess).with_cache(Some(cache));
        let sandbox = Sandbox::compiling(1, Instruments::default(), compilation).expect("sandbox");
        let component = super::guest::load(&sandbox, Guest::SlowEchoAgent, World::Agent);
        let reaches = cached.starts_with(disk.inside());
        let setup = Setup {
            grants: disk.mounted(Access::Read),
            ..good_call(1)
        };
        let run = super::guest::call(&sandbox, &component, World::Agent, setup).await;
        match run.result {
            Err(failure) if reaches => assert_eq!(failure.error_type, ErrorType::CapabilityDenied),
            Ok(_) if !reaches => {}
            other => panic!("{}: {other:?}", cached.display()),
        }
    }
}

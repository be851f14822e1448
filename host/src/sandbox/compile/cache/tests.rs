use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use super::*;

fn mode(path: &Path) -> u32 {
    let metadata = fs::metadata(path).expect("look at it");
    metadata.permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("change the mode");
}

#[test]
fn a_new_cache_and_its_key_are_private_and_the_key_stays() {
    let folder = TempDir::new().expect("a folder");
    let directory = folder.path().join("made/for/it");
    Cache::open(&directory).expect("a cache");
    let key = directory.join(KEY);
    assert_eq!((mode(&directory), mode(&key)), (0o700, 0o600));
    let written = fs::read(&key).expect("the key");
    assert_eq!(written.len(), 32);
    Cache::open(&directory).expect("a cache");
    assert_eq!(fs::read(&key).expect("the key"), written);
    let left = fs::read_dir(&directory).expect("list it").count();
    assert_eq!(left, 1, "the key alone");
}

#[test]
fn processes_that_begin_at_once_have_one_key() {
    let folder = TempDir::new().expect("a folder");
    let directory = folder.path().join("cache");
    let keys: Vec<Vec<u8>> = std::thread::scope(|scope| {
        let open = || {
            Cache::open(&directory).expect("a cache");
            fs::read(directory.join(KEY)).expect("the key")
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| thread.join().expect("a key");
        threads.into_iter().map(join).collect()
    });
    assert!(keys.iter().all(|key| *key == keys[0]));
}

#[test]
fn a_directory_or_key_that_others_reach_is_refused() {
    let folder = TempDir::new().expect("a folder");
    let directory = folder.path().join("cache");
    Cache::open(&directory).expect("a cache");
    let key = directory.join(KEY);
    for (path, right, wrong) in [(&directory, 0o700, 0o750), (&key, 0o600, 0o604)] {
        set_mode(path, wrong);
        let error = Cache::open(&directory).expect_err("refused");
        assert!(matches!(error, CacheError::Exposed { .. }), "{error}");
        assert!(
            error.to_string().contains(&format!("chmod {right:o}")),
            "{error}"
        );
        set_mode(path, right);
        Cache::open(&directory).expect("a cache");
    }
}

#[test]
fn a_key_of_another_length_is_refused() {
    let folder = TempDir::new().expect("a folder");
    let directory = folder.path().join("cache");
    Cache::open(&directory).expect("a cache");
    for wrong in [&b""[..], &[0; 31], &[0; 33]] {
        fs::write(directory.join(KEY), wrong).expect("write a key");
        let error = Cache::open(&directory).expect_err("refused");
        assert!(matches!(error, CacheError::NoKey { .. }), "{error}");
    }
}

#[test]
fn a_place_where_no_directory_can_be_is_refused() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("write a file");
    for directory in [file.join("cache"), file] {
        let error = Cache::open(&directory).expect_err("refused");
        assert!(matches!(error, CacheError::Unusable { .. }), "{error}");
    }
}

#[test]
fn what_was_used_longest_ago_goes_first_and_what_is_new_stays() {
    let folder = TempDir::new().expect("a folder");
    let cache = Cache::open(&folder.path().join("cache")).expect("a cache");
    let at = |name: &str| cache.directory.join(name);
    let aged = |name: &str, age: Duration| {
        let file = File::create(at(name)).expect("a file");
        file.set_len(10).expect("a size");
        let then = SystemTime::now() - age;
        file.set_modified(then).expect("an age");
    };
    aged("old.cwasm", Duration::from_secs(300));
    aged("used.cwasm", Duration::from_secs(100));
    aged("left.tmp", STALE * 2);
    aged("begun.tmp", Duration::from_secs(1));
    let new = at("new.cwasm");
    cache.write(&new, &[0; 15], 25).expect("write it");
    for (name, stays) in [
        ("old.cwasm", false),
        ("used.cwasm", true),
        ("new.cwasm", true),
        ("left.tmp", false),
        ("begun.tmp", true),
        (KEY, true),
    ] {
        assert_eq!(at(name).exists(), stays, "{name}");
    }
    // Even where it is more than everything together may be.
    cache.write(&new, &[0; 40], 25).expect("write it");
    assert!(new.exists());
    assert!(!at("used.cwasm").exists());
}

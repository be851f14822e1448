use std::os::unix::fs::PermissionsExt as _;

use super::*;

/// A plugin whose component has a name without `.wasm`.
fn manifest(version: &str) -> (Manifest, Files) {
    let text = format!(
        "name = 'a'\nversion = '{version}'\nworld = 'agent'\ncomponent = 'component.bin'\n"
    );
    let files = Files {
        component: version.as_bytes().to_vec(),
        manifest: text.clone(),
        signature: Some(b"signature".to_vec()),
    };
    (Manifest::parse(&text).expect("a manifest"), files)
}

fn deploy(path: &Path, version: &str) -> Result<Option<PathBuf>, DeployError> {
    let (manifest, files) = manifest(version);
    Target::hold(path, [])?.replace(Path::new("new"), &manifest, &files)
}

fn read(path: &Path, name: &str) -> String {
    fs::read_to_string(path.join(name)).expect("a file")
}

#[test]
fn what_is_put_in_place_is_what_was_examined_and_has_the_rights_of_the_version_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a");
    assert_eq!(deploy(&path, "1.0.0").expect("the first"), None);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("rights");
    let previous = deploy(&path, "2.0.0").expect("the second").expect("kept");
    for (path, version) in [(&path, "2.0.0"), (&previous, "1.0.0")] {
        assert_eq!(read(path, "component.bin"), version);
        assert!(read(path, Manifest::FILE).contains(version));
        assert_eq!(read(path, SignatureFile::FILE), "signature");
    }
    let found = fs::metadata(&path).expect("a directory");
    assert_eq!(found.permissions().mode() & 0o777, 0o700);
}

#[test]
fn what_a_killed_deploy_or_sign_leaves_blocks_no_later_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a");
    deploy(&path, "1.0.0").expect("the first");
    fs::write(path.join(SignatureFile::NEW), "half").expect("write");
    let staged = folder.path().join(".a.deploying");
    let (_, files) = manifest("2.0.0");
    // After each of the steps, in their order.
    fs::create_dir(&staged).expect("a directory");
    deploy(&path, "2.0.0").expect("nothing in it");
    fs::create_dir(&staged).expect("a directory");
    fs::write(staged.join(Manifest::FILE), "name = ").expect("write");
    deploy(&path, "2.0.1").expect("half a manifest");
    fs::create_dir(&staged).expect("a directory");
    fs::write(staged.join(Manifest::FILE), &files.manifest).expect("write");
    fs::write(staged.join("component.bin"), "half").expect("write");
    deploy(&path, "2.0.2").expect("half a component");
    assert_eq!(read(&path, "component.bin"), "2.0.2");
    assert!(!staged.exists());
}

#[test]
fn what_fails_after_the_exchange_says_that_the_new_version_is_in_place_and_removes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a");
    deploy(&path, "1.0.0").expect("the first");
    let target = Target::hold(&path, []).expect("held");
    // Comes while the deploy is under way.
    fs::write(folder.path().join("a.previous"), "a file").expect("write");
    let (manifest, files) = manifest("2.0.0");
    let error = target
        .replace(Path::new("new"), &manifest, &files)
        .expect_err("it cannot be kept");
    assert!(matches!(error, DeployError::NotKept { .. }), "{error}");
    assert!(error.to_string().starts_with("the new version is in place"));
    assert_eq!(read(&path, "component.bin"), "2.0.0");
    let staged = folder.path().join(".a.deploying");
    assert_eq!(read(&staged, "component.bin"), "1.0.0");
}

#[test]
fn a_place_that_a_deploy_needs_may_not_be_another_plugins() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a");
    for other in ["a.previous", ".a.deploying"] {
        let other = folder.path().join(other);
        let error = Target::hold(&path, [other.as_path()]).expect_err("taken");
        assert!(matches!(error, DeployError::Taken(_)), "{error}");
    }
    let other = folder.path().join("b");
    Target::hold(&path, [other.as_path()]).expect("not taken");
}

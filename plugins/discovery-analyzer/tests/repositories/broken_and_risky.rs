use std::fs;

use super::{analyze, repository};

#[test]
fn an_empty_repository_is_unknown_and_risky() {
    let report = analyze(repository(&[]).path());

    assert_eq!(report.stack.language, "unknown");
    assert_eq!(report.stack.framework, "unknown");
    assert_eq!(report.stack.database, "unknown");
    assert!(report.service_boundaries.is_empty());
    // Any change, no tests, no CI, no README, no language.
    assert!(
        (report.risk_score - 0.55).abs() < f64::EPSILON,
        "{report:?}"
    );
}

#[test]
fn malformed_and_unreadable_files_do_not_fail_the_run() {
    let root = repository(&[
        ("package.json", "{\"dependencies\": "),
        ("api/package.json", "[]"),
        ("pyproject.toml", "[project\n"),
        ("Cargo.toml", "= = ="),
        ("pom.xml", "\u{0}"),
        ("docker-compose.yml", "services: [\n\t- ]: {"),
        ("index.js", ""),
    ]);
    fs::write(root.path().join("go.mod"), [0xff, 0xfe]).expect("files can be written");
    fs::write(root.path().join("build.gradle"), vec![b'x'; 300 << 10])
        .expect("files can be written");

    let report = analyze(root.path());

    assert_eq!(report.stack.language, "nodejs");
    assert_eq!(report.stack.framework, "none");
}

#[cfg(unix)]
#[test]
fn symbolic_links_are_not_followed() {
    let root = repository(&[("src/orders/index.js", "")]);
    std::os::unix::fs::symlink(root.path(), root.path().join("src/again"))
        .expect("links can be made");
    std::os::unix::fs::symlink("/etc/passwd", root.path().join(".env")).expect("links can be made");

    let report = analyze(root.path());

    assert_eq!(report.service_boundaries, ["orders"]);
    assert!(report.risk_score < 0.6, "the link is no secret: {report:?}");
}

#[test]
fn a_tree_deeper_than_is_looked_at_raises_the_risk() {
    let deep = "d/".repeat(40) + "hidden.go";
    let root = repository(&[(&deep, ""), ("index.js", "")]);

    let report = analyze(root.path());

    assert_eq!(report.stack.language, "nodejs");
    // Any change, no tests, no CI, no README, and cut.
    assert!((report.risk_score - 0.6).abs() < f64::EPSILON, "{report:?}");
}

#[test]
fn many_files_raise_the_risk() {
    let root = repository(&[("README.md", "")]);
    for number in 0..600 {
        fs::write(root.path().join(format!("{number}.js")), "").expect("files can be written");
    }

    // Any change, no tests, no CI, and the size.
    let report = analyze(root.path());
    assert!(
        (report.risk_score - 0.45).abs() < f64::EPSILON,
        "{report:?}"
    );
}

#[test]
fn committed_secrets_raise_the_risk_unless_they_are_ignored() {
    let files = [
        ("README.md", ""),
        (".github/workflows/ci.yml", ""),
        ("main.py", ""),
        ("tests/test_main.py", ""),
    ];
    let with_secret = [&files[..], &[(".env", "TOKEN=1")]].concat();
    let with_ignored_secret = [&with_secret[..], &[(".gitignore", "/.env\n")]].concat();

    let risk = |files: &[(&str, &str)]| analyze(repository(files).path()).risk_score;

    assert!((risk(&files) - 0.05).abs() < f64::EPSILON);
    assert!((risk(&with_secret) - 0.30).abs() < f64::EPSILON);
    assert!((risk(&with_ignored_secret) - 0.05).abs() < f64::EPSILON);
}

#[test]
fn the_same_tree_gives_the_same_report() {
    let root = repository(&[
        (
            "package.json",
            r#"{"dependencies": {"koa": "2", "express": "4", "pg": "8", "mysql2": "3"}}"#,
        ),
        ("services/b/index.js", ""),
        ("services/a/index.js", ""),
    ]);

    assert_eq!(analyze(root.path()), analyze(root.path()));
}

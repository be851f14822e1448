//! The analyzer over small repositories, one for each ecosystem, and over broken ones.

use std::fs;
use std::path::Path;

use discovery_analyzer::DiscoveryAnalyzer;
use hothouse_sdk::{Discovery, Report, testing};
use tempfile::TempDir;

/// A repository of these files, each a path and its text.
fn repository(files: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().expect("it is below the root"))
            .expect("folders can be made");
        fs::write(path, text).expect("files can be written");
    }
    root
}

fn analyze(root: &Path) -> Report {
    testing::analyze::<DiscoveryAnalyzer>(Discovery::sample(root)).expect("the root is there")
}

/// Checks language, framework and database, and gives the service boundaries.
#[track_caller]
fn assert_stack(files: &[(&str, &str)], stack: [&str; 3]) -> Vec<String> {
    let report = analyze(repository(files).path());
    let found = [
        report.stack.language,
        report.stack.framework,
        report.stack.database,
    ];
    assert_eq!(found, stack);
    report.service_boundaries
}

#[test]
fn the_demos_repository_is_a_low_risk_express_service_on_postgresql() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../demo/sample-repo");

    let report = analyze(&root);

    assert_eq!(report.stack.language, "nodejs");
    assert_eq!(report.stack.framework, "express");
    assert_eq!(report.stack.database, "postgresql");
    assert_eq!(report.service_boundaries, ["api", "auth", "orders"]);
    assert!((report.risk_score - 0.3).abs() < f64::EPSILON, "{report:?}");
}

#[test]
fn a_nestjs_monorepo_is_told_by_its_applications() {
    let boundaries = assert_stack(
        &[
            (
                "package.json",
                r#"{"private": true, "workspaces": ["apps/*"]}"#,
            ),
            (
                "apps/billing/package.json",
                r#"{"dependencies": {"@nestjs/core": "10", "express": "4", "mongoose": "8"}}"#,
            ),
            ("apps/billing/src/main.ts", ""),
            (
                "apps/Mailer/package.json",
                r#"{"dependencies": {"@nestjs/core": "10"}}"#,
            ),
            ("apps/Mailer/src/main.ts", ""),
            ("packages/ui/index.ts", ""),
            (
                "node_modules/next/package.json",
                r#"{"dependencies": {"pg": "8"}}"#,
            ),
        ],
        ["nodejs", "nestjs", "mongodb"],
    );

    assert_eq!(boundaries, ["billing", "mailer"]);
}

#[test]
fn a_nextjs_front_end_with_development_tools_has_no_database() {
    assert_stack(
        &[
            (
                "package.json",
                r#"{"dependencies": {"next": "15", "react": "19"}, "devDependencies": {"express": "4", "pg": "8"}}"#,
            ),
            ("app/page.tsx", ""),
        ],
        ["nodejs", "nextjs", "none"],
    );
}

#[test]
fn a_pnpm_workspace_names_its_members() {
    let boundaries = assert_stack(
        &[
            (
                "package.json",
                r#"{"dependencies": {"fastify": "5", "mysql2": "3"}}"#,
            ),
            (
                "pnpm-workspace.yaml",
                "packages:\n  - 'servers/*'\n  - worker\n",
            ),
            ("servers/orders/index.js", ""),
            ("servers/search/index.js", ""),
            ("worker/index.js", ""),
        ],
        ["nodejs", "fastify", "mysql"],
    );

    assert_eq!(boundaries, ["orders", "search", "worker"]);
}

#[test]
fn a_django_project_is_told_by_its_requirements_and_its_apps() {
    let boundaries = assert_stack(
        &[
            (
                "requirements.txt",
                "# web\nDjango[argon2]>=5.0 ; python_version > '3.10'\nPsycopg2-Binary==2.9\n-r other.txt\n",
            ),
            ("requirements-dev.txt", "flask\nflask-testing\n"),
            ("manage.py", ""),
            ("shop/__init__.py", ""),
            ("shop/settings.py", ""),
            ("accounts/__init__.py", ""),
            ("accounts/models.py", ""),
            ("tests/__init__.py", ""),
        ],
        ["python", "django", "postgresql"],
    );

    assert_eq!(boundaries, ["accounts", "shop"]);
}

#[test]
fn a_fastapi_service_is_told_by_its_pyproject() {
    let boundaries = assert_stack(
        &[
            (
                "pyproject.toml",
                "[project]\nname = \"shop\"\ndependencies = [\"fastapi>=0.115\", \"motor\"]\n",
            ),
            ("src/shop/__init__.py", ""),
            ("src/shop/orders/views.py", ""),
            ("src/shop/users/views.py", ""),
            ("src/shop/utils/text.py", ""),
        ],
        ["python", "fastapi", "mongodb"],
    );

    assert_eq!(boundaries, ["orders", "users"]);
}

#[test]
fn a_flask_service_on_poetry_is_told_by_its_tools_table() {
    assert_stack(
        &[
            (
                "pyproject.toml",
                "[tool.poetry.dependencies]\npython = \"^3.12\"\nFlask = \"^3\"\n",
            ),
            (
                ".env.example",
                "DATABASE_URL=mysql+pymysql://app:app@db/shop\n",
            ),
            ("wsgi.py", ""),
        ],
        ["python", "flask", "mysql"],
    );
}

#[test]
fn an_axum_workspace_is_told_by_its_members_and_sqlx_features() {
    let boundaries = assert_stack(
        &[
            (
                "Cargo.toml",
                "[workspace]\nmembers = [\"crates/*\", \"gateway\"]\n[workspace.dependencies]\n\
                 axum = \"0.8\"\nsqlx = { version = \"0.8\", features = [\"sqlite\", \"postgres\"] }\n",
            ),
            (
                "crates/orders/Cargo.toml",
                "[dependencies]\naxum.workspace = true\n",
            ),
            ("crates/orders/src/lib.rs", ""),
            (
                "crates/users/Cargo.toml",
                "[dependencies]\naxum.workspace = true\n",
            ),
            ("crates/users/src/lib.rs", ""),
            (
                "gateway/Cargo.toml",
                "[dependencies]\naxum.workspace = true\n",
            ),
            ("gateway/src/main.rs", ""),
            ("target/debug/build/main.go", ""),
        ],
        ["rust", "axum", "postgresql"],
    );

    assert_eq!(boundaries, ["gateway", "orders", "users"]);
}

#[test]
fn an_actix_service_on_sqlite_has_the_modules_of_its_code() {
    let boundaries = assert_stack(
        &[
            (
                "Cargo.toml",
                "[dependencies]\nactix-web = \"4\"\nrusqlite = \"0.40\"\n",
            ),
            ("src/main.rs", ""),
            ("src/orders/mod.rs", ""),
            ("src/auth/mod.rs", ""),
        ],
        ["rust", "actix-web", "sqlite"],
    );

    assert_eq!(boundaries, ["auth", "orders"]);
}

#[test]
fn a_go_service_is_told_by_its_direct_requirements_and_its_commands() {
    let boundaries = assert_stack(
        &[
            (
                "go.mod",
                "module shop\n\ngo 1.24\n\nrequire (\n\tgithub.com/gin-gonic/gin v1.10.0\n\
                 \t// a comment\n\tgithub.com/jackc/pgx/v5 v5.7.0\n\
                 \tgithub.com/labstack/echo/v4 v4.12.0 // indirect\n)\n\
                 require github.com/redis/go-redis/v9 v9.7.0\n",
            ),
            ("cmd/api/main.go", ""),
            ("cmd/worker/main.go", ""),
            ("internal/store/store.go", ""),
        ],
        ["go", "gin", "postgresql"],
    );

    assert_eq!(boundaries, ["api", "worker"]);
}

#[test]
fn an_echo_service_is_told_by_any_major_version() {
    assert_stack(
        &[
            (
                "go.mod",
                "module shop\nrequire github.com/labstack/echo/v4 v4.12.0\n",
            ),
            ("main.go", ""),
        ],
        ["go", "echo", "none"],
    );
}

#[test]
fn a_spring_boot_service_on_maven_has_the_packages_of_its_code() {
    let boundaries = assert_stack(
        &[
            (
                "pom.xml",
                "<project><parent><artifactId>spring-boot-starter-parent</artifactId></parent>\
                 <dependencies><dependency><artifactId>spring-boot-starter-web</artifactId></dependency>\
                 <dependency><artifactId>mysql-connector-j</artifactId></dependency></dependencies></project>",
            ),
            ("src/main/java/com/example/shop/orders/Orders.java", ""),
            ("src/main/java/com/example/shop/users/Users.java", ""),
        ],
        ["java", "spring-boot", "mysql"],
    );

    assert_eq!(boundaries, ["orders", "users"]);
}

#[test]
fn a_kotlin_service_on_gradle_is_told_by_its_sources_and_its_plugins() {
    assert_stack(
        &[
            (
                "build.gradle.kts",
                "plugins {\n  id(\"org.springframework.boot\") version \"3.4.0\"\n}\n\
                 dependencies {\n  runtimeOnly(\"org.postgresql:postgresql:42.7\")\n\
                 // implementation(\"io.quarkus:quarkus-core:3\")\n}\n",
            ),
            ("src/main/kotlin/shop/Main.kt", ""),
        ],
        ["kotlin", "spring-boot", "postgresql"],
    );
}

#[test]
fn compose_files_name_services_that_have_a_folder_and_the_database() {
    let boundaries = assert_stack(
        &[
            (
                "compose.yaml",
                "services:\n  Web:\n    build: ./web\n  jobs:\n    build:\n      context: jobs\n\
                 \x20 db:\n    image: docker.io/library/mariadb:11@sha256:00\n  cache:\n    image: redis:7\n",
            ),
            ("web/Dockerfile", ""),
            ("web/server.rb", ""),
            ("jobs/run.rb", ""),
        ],
        ["ruby", "unknown", "mariadb"],
    );

    assert_eq!(boundaries, ["jobs", "web"]);
}

#[test]
fn redis_is_the_database_only_where_there_is_no_other() {
    let package = r#"{"dependencies": {"express": "4", "redis": "4", "ioredis": "5"}}"#;
    assert_stack(
        &[("package.json", package), ("index.js", "")],
        ["nodejs", "express", "redis"],
    );
    assert_stack(
        &[
            ("package.json", package),
            ("index.js", ""),
            (".env.example", "DATABASE_URL=postgres://localhost/shop\n"),
        ],
        ["nodejs", "express", "postgresql"],
    );
}

#[test]
fn scripts_beside_a_service_do_not_decide_its_language() {
    assert_stack(
        &[
            ("go.mod", "module shop\n"),
            ("main.go", ""),
            ("scripts/a.py", ""),
            ("scripts/b.py", ""),
        ],
        ["go", "none", "none"],
    );
}

#[test]
fn examples_and_tests_do_not_decide_what_a_service_is_built_with() {
    let boundaries = assert_stack(
        &[
            (
                "Cargo.toml",
                "[workspace]\nmembers = [\".\", \"host\", \"tests/guests\"]\n",
            ),
            ("host/Cargo.toml", "[dependencies]\nrusqlite = \"0.40\"\n"),
            ("host/src/main.rs", ""),
            (
                "tests/guests/Cargo.toml",
                "[dependencies]\naxum = \"0.8\"\n",
            ),
            ("tests/guests/src/lib.rs", ""),
            ("demo/shop/package.json", r#"{"dependencies": {"pg": "8"}}"#),
        ],
        ["rust", "none", "sqlite"],
    );

    assert_eq!(boundaries, ["host"]);
}

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

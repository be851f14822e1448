use std::path::Path;

use super::{analyze, assert_stack};

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

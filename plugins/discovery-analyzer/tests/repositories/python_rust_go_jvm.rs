use super::assert_stack;

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

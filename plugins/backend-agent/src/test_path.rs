//! Where the test of a file belongs, by the custom of its language.

/// The test file that belongs to `file`. None for a file that is a test itself, and for a
/// language that isn't known.
pub(crate) fn test_path(file: &str) -> Option<String> {
    let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
    let (stem, extension) = name.rsplit_once('.')?;
    if stem.is_empty() || is_test(file, stem) {
        return None;
    }
    let subject = subject(folder, stem);
    match extension {
        "js" | "jsx" | "mjs" | "cjs" | "ts" | "tsx" => {
            Some(format!("tests/{subject}.test.{extension}"))
        }
        "py" => Some(format!("tests/test_{subject}.py")),
        "rs" => Some(format!("tests/{subject}.rs")),
        // The go tool finds tests only beside what they test.
        "go" if folder.is_empty() => Some(format!("{stem}_test.go")),
        "go" => Some(format!("{folder}/{stem}_test.go")),
        // Maven's and Gradle's layout, where the file is in it.
        "java" | "kt" => Some(match folder.split_once("src/main/") {
            Some((module, package)) => {
                format!("{module}src/test/{package}/{stem}Test.{extension}")
            }
            None => format!("tests/{stem}Test.{extension}"),
        }),
        _ => None,
    }
}

/// What a file is about: its name, or its folder's where the name says nothing.
fn subject<'a>(folder: &'a str, stem: &'a str) -> &'a str {
    let says_nothing = matches!(stem, "index" | "mod" | "lib" | "main" | "__init__");
    match folder.rsplit('/').next() {
        Some(parent) if says_nothing && !matches!(parent, "" | "src") => parent,
        Some(_) | None => stem,
    }
}

fn is_test(file: &str, stem: &str) -> bool {
    let in_tests = file
        .split('/')
        .any(|part| matches!(part, "tests" | "test" | "__tests__" | "spec"));
    in_tests
        || stem.ends_with(".test")
        || stem.ends_with(".spec")
        || stem.ends_with("_test")
        || stem.starts_with("test_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_language_gets_its_tests_where_it_looks_for_them() {
        for (file, test) in [
            ("src/api/orders.js", "tests/orders.test.js"),
            ("orders.mjs", "tests/orders.test.mjs"),
            ("src/api/orders.ts", "tests/orders.test.ts"),
            ("app/orders/views.py", "tests/test_views.py"),
            ("src/orders.rs", "tests/orders.rs"),
            ("internal/orders/list.go", "internal/orders/list_test.go"),
            ("main.go", "main_test.go"),
            (
                "src/main/java/shop/Orders.java",
                "src/test/java/shop/OrdersTest.java",
            ),
            (
                "api/src/main/kotlin/shop/Orders.kt",
                "api/src/test/kotlin/shop/OrdersTest.kt",
            ),
            ("Orders.java", "tests/OrdersTest.java"),
        ] {
            assert_eq!(test_path(file).as_deref(), Some(test), "{file}");
        }
    }

    #[test]
    fn a_file_whose_name_says_nothing_is_tested_by_its_folders_name() {
        assert_eq!(
            test_path("src/orders/index.js").as_deref(),
            Some("tests/orders.test.js")
        );
        assert_eq!(
            test_path("src/orders/mod.rs").as_deref(),
            Some("tests/orders.rs")
        );
        assert_eq!(test_path("src/lib.rs").as_deref(), Some("tests/lib.rs"));
    }

    #[test]
    fn tests_and_unknown_languages_get_no_test() {
        for file in [
            "tests/orders.test.js",
            "src/orders.spec.ts",
            "orders/list_test.go",
            "src/test/java/shop/OrdersTest.java",
            "README.md",
            "Makefile",
            ".env",
            "migrations/001.sql",
        ] {
            assert_eq!(test_path(file), None, "{file}");
        }
    }
}

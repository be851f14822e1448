//! Building what runs in the sandbox: the plugins that ship, and the fixture guests
//! that the tests use.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::cargo;
use crate::wasm::{Toolchain, guest_build};

/// Where guest_build puts components, below the repository's root.
const BUILT: &str = "target/guests/wasm32-wasip2/guest";

/// A folder in plugins/ with a plugin.toml and a Cargo.toml.
struct Plugin {
    folder: PathBuf,
    /// The folder's name, which is the plugin's.
    name: String,
    /// The Cargo package that builds it.
    package: String,
}

/// Builds every plugin and puts each component beside its plugin.toml.
pub(crate) fn build_plugins(root: &Path, toolchain: Toolchain) -> Result<()> {
    let plugins = find_plugins(&root.join("plugins"))?;
    let mut build = guest_build(toolchain);
    build.current_dir(root);
    for plugin in &plugins {
        build.args(["--package", &plugin.package]);
    }
    cargo::run(&mut build)?;
    for plugin in &plugins {
        place(&root.join(BUILT), plugin)?;
    }
    Ok(())
}

/// Builds the fixture guests: the examples of the package in tests/guests.
pub(crate) fn build_fixtures(root: &Path, toolchain: Toolchain) -> Result<()> {
    let manifest = root.join("tests/guests/Cargo.toml");
    let package = read_package_name(&manifest)?;
    let mut build = guest_build(toolchain);
    build
        .current_dir(root)
        .args(["--package", &package, "--examples"]);
    cargo::run(&mut build)
}

fn find_plugins(plugins: &Path) -> Result<Vec<Plugin>> {
    let entries = fs::read_dir(plugins).with_context(|| {
        format!(
            "cannot list the plugins in {}: is the clone complete?",
            plugins.display()
        )
    })?;
    let mut found = Vec::new();
    for entry in entries {
        let folder = entry
            .with_context(|| format!("cannot list the plugins in {}", plugins.display()))?
            .path();
        let manifest = folder.join("Cargo.toml");
        if !manifest.is_file() || !folder.join("plugin.toml").is_file() {
            continue;
        }
        let name = folder.file_name().unwrap_or_default();
        found.push(Plugin {
            name: name.to_string_lossy().into_owned(),
            package: read_package_name(&manifest)?,
            folder,
        });
    }
    if found.is_empty() {
        bail!(
            "no plugin in {}: a plugin is a folder with a plugin.toml and a Cargo.toml",
            plugins.display()
        );
    }
    // read_dir has no order; builds and their messages should have one.
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Copies a component only when it changed: its time is then the time of the last
/// change, and a host that watches it sees no change that is none.
fn place(built: &Path, plugin: &Plugin) -> Result<()> {
    let from = built.join(format!("{}.wasm", plugin.package.replace('-', "_")));
    let to = plugin.folder.join(format!("{}.wasm", plugin.name));
    let component = fs::read(&from).with_context(|| {
        format!(
            "package {} was built, but {} is not there: its Cargo.toml needs `[lib]` with \
             crate-type = [\"cdylib\"]",
            plugin.package,
            from.display()
        )
    })?;
    if fs::read(&to).is_ok_and(|present| present == component) {
        return Ok(());
    }
    // Written beside it and renamed, so that nobody ever loads half a component.
    let partial = to.with_extension("wasm.partial");
    fs::write(&partial, &component)
        .and_then(|()| fs::rename(&partial, &to))
        .with_context(|| format!("cannot write {}", to.display()))?;
    eprintln!(
        "xtask: {} ({} KiB)",
        to.display(),
        component.len().div_ceil(1024)
    );
    Ok(())
}

fn read_package_name(manifest: &Path) -> Result<String> {
    let text = fs::read_to_string(manifest)
        .with_context(|| format!("cannot read {}", manifest.display()))?;
    package_name(&text).map(String::from).with_context(|| {
        format!(
            "{} has no `name = \"...\"` under [package]",
            manifest.display()
        )
    })
}

/// Reads the one key that is needed; a TOML parser would be xtask's largest dependency.
fn package_name(manifest: &str) -> Option<&str> {
    manifest
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "[package]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == "name").then(|| value.trim().trim_matches('"'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_name_is_read_from_the_package_table_only() {
        let manifest = "[lib]\nname = \"other\"\n\n[package]\nedition = \"2024\"\nname = \"a-b\"\n";
        assert_eq!(package_name(manifest), Some("a-b"));
        assert_eq!(package_name("[package]\n[lib]\nname = \"other\"\n"), None);
    }

    #[test]
    fn a_component_that_did_not_change_is_left_alone() -> Result<()> {
        let folder = std::env::temp_dir().join(format!("xtask-place-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("a_b.wasm"), b"new")?;
        let plugin = Plugin {
            folder: folder.clone(),
            name: "plugin".into(),
            package: "a-b".into(),
        };

        place(&folder, &plugin)?;
        let placed = folder.join("plugin.wasm");
        assert_eq!(fs::read(&placed)?, b"new");

        let first = fs::metadata(&placed)?.modified()?;
        place(&folder, &plugin)?;
        assert_eq!(fs::metadata(&placed)?.modified()?, first);

        fs::remove_dir_all(&folder)?;
        Ok(())
    }

    #[test]
    fn a_folder_without_plugins_is_an_error_that_says_what_a_plugin_is() {
        let folder = std::env::temp_dir().join(format!("xtask-empty-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("the temporary folder is writable");
        let error = find_plugins(&folder).err().expect("there is no plugin");
        fs::remove_dir_all(&folder).expect("the folder is ours");
        assert!(error.to_string().contains("a folder with a plugin.toml"));
    }
}

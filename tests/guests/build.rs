//! Lists the guests as an enum, so that a match over it names every one of them: a guest without
//! a test does not compile (`tests/sandbox/table.rs`).

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let here = env::var("CARGO_MANIFEST_DIR")?;
    let here = Path::new(&here);
    let mut names = Vec::new();
    for (folder, extension) in [("examples", "rs"), ("wat", "wat")] {
        println!("cargo::rerun-if-changed={folder}");
        for entry in fs::read_dir(here.join(folder))? {
            let path = entry?.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            if let Some(name) = stem
                && path.extension().is_some_and(|found| found == extension)
            {
                names.push((name.to_owned(), extension == "wat"));
            }
        }
    }
    names.sort();
    let out = env::var("OUT_DIR")?;
    fs::write(Path::new(&out).join("guest.rs"), source(here, &names)?)?;
    Ok(())
}

fn source(here: &Path, names: &[(String, bool)]) -> Result<String, std::fmt::Error> {
    let mut variants = String::new();
    let mut all = String::new();
    let mut name_arms = String::new();
    let mut wat_arms = String::new();
    for (name, is_wat) in names {
        let variant = camel(name);
        writeln!(variants, "/// `{name}`.\n{variant},")?;
        writeln!(all, "Self::{variant},")?;
        writeln!(name_arms, "Self::{variant} => {name:?},")?;
        let text = match is_wat {
            true => format!(
                "Some(include_str!({:?}))",
                here.join(format!("wat/{name}.wat"))
            ),
            false => "None".to_owned(),
        };
        writeln!(wat_arms, "Self::{variant} => {text},")?;
    }
    Ok(format!(
        "/// A fixture guest, by the name of its file.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Guest {{ {variants} }}

        impl Guest {{
            /// Every guest.
            pub const ALL: [Self; {count}] = [{all}];

            /// The name of its file.
            #[must_use]
            pub const fn name(self) -> &'static str {{ match self {{ {name_arms} }} }}

            /// The text of a guest that is written as such: the part of a component that
            /// [`WAT_WORLD`] completes. None where it is written in Rust.
            #[must_use]
            pub const fn wat(self) -> Option<&'static str> {{ match self {{ {wat_arms} }} }}
        }}",
        count = names.len(),
    ))
}

fn camel(name: &str) -> String {
    name.split('_')
        .map(|word| {
            let (first, rest) = word.split_at(1);
            first.to_uppercase() + rest
        })
        .collect()
}

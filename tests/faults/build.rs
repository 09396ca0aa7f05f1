//! Copies the guard's pure rooms and the simulation's model, and writes every fault of the list into the copies.
//!
//! One build holds all faults; a switch (`faulty::faults`) turns one on at run time. The shipped sources are read and
//! never changed.
#![allow(dead_code, unreachable_pub, reason = "the library has these modules, too, and uses the rest of them")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

#[path = "src/list/mod.rs"]
mod list;
#[path = "src/patch.rs"]
mod patch;

/// The files and folders that are copied. `src/rooms.rs.in` says which of them form the library.
const COPIED: [&str; 19] = [
    "src/clock.rs",
    "src/domain",
    "src/error_chain.rs",
    "src/guard",
    "src/printable.rs",
    "src/leadership.rs",
    "src/trafficstar/batch",
    "src/trafficstar/budget.rs",
    "src/trafficstar/call.rs",
    "src/trafficstar/endpoint_discovery.rs",
    "src/trafficstar/circuit.rs",
    "src/trafficstar/client",
    "src/trafficstar/error.rs",
    "src/trafficstar/excerpt.rs",
    "src/trafficstar/scheduler.rs",
    "src/trafficstar/reservation.rs",
    "src/trafficstar/wire",
    "src/trafficstar/wire.rs",
    "tests/simulation/model",
];

/// The test's own copy of the simulation's model.
const WORLD: &str = "#[allow(warnings, reason = \"a copy\")]\nmod model;\n";

fn main() -> Result<(), Box<dyn Error>> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let project = here.join("../..").canonicalize()?;
    let copies = PathBuf::from(env::var("OUT_DIR")?);
    let mut misfits = Vec::new();
    let mut files = Vec::new();
    for copied in COPIED {
        println!("cargo:rerun-if-changed={}", project.join(copied).display());
        files_below(&project, Path::new(copied), &mut files)?;
    }
    for file in &files {
        let text = fs::read_to_string(project.join(file))?;
        let faulty = patch::apply(&file.to_string_lossy(), &text, list::all()).unwrap_or_else(|sentences| {
            misfits.extend(sentences);
            text
        });
        // utoipa's derives only describe types for the control API, which the copy does not have.
        let faulty = faulty.replace("use utoipa::ToSchema;\n", "").replace(", ToSchema)]", ")]");
        // The rooms' unit tests test the originals.
        let faulty = faulty.replace("#[cfg(test)]", "#[cfg(false)]");
        write(&copies.join(file), &faulty)?;
    }
    let elsewhere = list::all().filter(|fault| !files.iter().any(|file| file == Path::new(fault.file)));
    misfits.extend(elsewhere.map(|fault| format!("{}: {} is not in COPIED of build.rs", fault.name, fault.file)));
    if !misfits.is_empty() {
        let misfits = misfits.join("\n  ");
        return Err(format!("the code has changed: adapt these faults in tests/faults/src/list:\n  {misfits}").into());
    }
    write(&copies.join("src/rooms.rs"), &fs::read_to_string(here.join("src/rooms.rs.in"))?)?;
    write(&copies.join("tests/simulation/world.rs"), WORLD)?;
    println!("cargo:rerun-if-changed={}", here.join("src").display());
    Ok(())
}

fn files_below(project: &Path, path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !project.join(path).is_dir() {
        files.push(path.to_path_buf());
        return Ok(());
    }
    for entry in fs::read_dir(project.join(path))? {
        files_below(project, &path.join(entry?.file_name()), files)?;
    }
    Ok(())
}

/// Writes a file only where its text differs, so that an unchanged file keeps its date and is not compiled again.
fn write(file: &Path, text: &str) -> std::io::Result<()> {
    if fs::read_to_string(file).is_ok_and(|present| present == text) {
        return Ok(());
    }
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(file, text)
}

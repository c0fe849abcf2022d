//! A hash of what decides what an exploration finds, the sources, their dependencies, the compiler:
//! what was found by others is stale.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let mut files = Vec::new();
    for folder in [root.clone(), root.join("../src/protocol")] {
        println!("cargo::rerun-if-changed={}", folder.display());
        collect(&folder, &mut files)?;
    }
    files.sort();
    let mut hasher = blake3::Hasher::new();
    for file in files {
        hasher.update(&fs::read(file)?);
    }
    let lock = root.join("../Cargo.lock");
    println!("cargo::rerun-if-changed={}", lock.display());
    hasher.update(&fs::read(lock)?);
    let compiler = env::var_os("RUSTC").expect("cargo sets it");
    hasher.update(&Command::new(compiler).arg("-vV").output()?.stdout);
    hasher.update(&[u8::from(env::var_os("CARGO_FEATURE_MUSEUM").is_some())]);
    println!("cargo::rustc-env=DYNAMO_SOURCES={}", hasher.finalize().to_hex());
    Ok(())
}

/// The Rust files under a folder, but for tests.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("tests") {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

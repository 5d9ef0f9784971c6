//! Link flags that every Node-API addon needs, and the versions of dependencies.

use std::fs;

fn main() {
    napi_build::setup();
    println!("cargo::rerun-if-changed={LOCK}");
    let lock = fs::read_to_string(LOCK).expect("the workspace has a lock file");
    for name in ["mio", "napi"] {
        let version = locked(&lock, name).expect("a dependency is in the lock file");
        println!("cargo::rustc-env=VERSION_OF_{name}={version}");
    }
}

/// The version of a package in a lock file, where it follows the name.
fn locked<'lock>(lock: &'lock str, name: &str) -> Option<&'lock str> {
    let (_, rest) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    rest.split('"').next()
}

const LOCK: &str = "../../Cargo.lock";

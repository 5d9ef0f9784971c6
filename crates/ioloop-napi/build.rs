//! Link flags that every Node-API addon needs, the selector of the core as `cfg(selector = …)`, and
//! the versions of dependencies.

use std::{env, fs};

fn main() {
    napi_build::setup();
    if env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        // After napi-rs' 64 MB, of which pages would be allocated.
        println!("cargo::rustc-link-arg-cdylib=-zstack-size=1048576");
    }
    let selector = env::var("DEP_IOLOOP_SELECTOR").expect("the build script of ioloop names it");
    println!(
        "cargo::rustc-check-cfg=cfg(selector, values(\"epoll\", \"kqueue\", \"poll\", \"none\"))"
    );
    println!("cargo::rustc-cfg=selector=\"{selector}\"");
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
